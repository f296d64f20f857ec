// Package web holds the sample page for WeChat's browser, for the sandbox, which serves
// it. A shop copies the files to a host of its own; README.md says how.
package web

import "embed"

// Files are the files of the page; index.html is the page.
//
//go:embed index.html style.css app.js wallet.js session.js texts.js colours.js config.js
var Files embed.FS
