//go:build js && wasm

// Command wasm is package explain for a browser: it defines the function
// explain, which takes and returns JSON.
package main

import (
	"syscall/js"

	"github.com/addcard/addcard/web/explain"
)

func main() {
	js.Global().Set("explain", js.FuncOf(func(_ js.Value, args []js.Value) any {
		return explain.JSON(args[0].String())
	}))
	select {} // the function needs a running program
}
