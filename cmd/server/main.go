// Command server is addcard, the backend of a WeChat mini-program that issues
// membership cards. See `server --help`.
package main

import (
	_ "embed"

	_ "golang.org/x/crypto/x509roots/fallback" // an image from scratch has no CA certificates

	"github.com/addcard/addcard/cmd/internal/command"
)

const about = `addcard: the backend of a WeChat mini-program that issues membership cards (微信会员卡).

Configuration is read from the environment and from the file .env; "server init" writes a first one. ` +
	`"server help COMMAND" is "server COMMAND --help".

Exit codes: 0 done, 1 failed, 2 misuse. Examples:
  server init
  server serve`

// commands is the command line. Each command is a struct of its arguments and
// flags, and kong calls its Run method. help.txt has the details of its help.
type commands struct {
	globals
	Serve     serveCmd     `cmd:"" help:"Serve mini-programs, WeChat and the operator until SIGTERM."`
	Init      initCmd      `cmd:"" help:"Write a .env with new keys and a place for each value from WeChat."`
	Ready     readyCmd     `cmd:"" help:"Check whether a running server is ready; for health checks."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database's tables up to date, as serve does at start."`
	Copy      copyCmd      `cmd:"" help:"Copy the database to another one, SQLite or PostgreSQL."`
	Backup    backupCmd    `cmd:"" help:"Copy the SQLite database to a new file while servers use it, and check the copy."`
	Restore   restoreCmd   `cmd:"" help:"Put a backup in the place of the SQLite database; stop the servers first."`
	Recover   recoverCmd   `cmd:"" help:"Bring a restored database and WeChat together again."`
	Config    configCmd    `cmd:"" help:"Show the configuration."`
	Doctor    doctorCmd    `cmd:"" help:"Check a deployment and say what mends each problem."`
	Card      cardCmd      `cmd:"" help:"Create, change and distribute cards."`
	Member    memberCmd    `cmd:"" help:"Find, list, show, adjust, export and delete members."`
	Entries   entriesCmd   `cmd:"" help:"List the ledger of a member's card, the newest entry last."`
	Outbox    outboxCmd    `cmd:"" help:"List messages that wait for WeChat, and retry those that it refused."`
	LoginLink loginLinkCmd `cmd:"" help:"Print a link with which the owner, or a person of the staff, signs in to the console."`
	Staff     staffCmd     `cmd:"" help:"Add and remove managers and cashiers, and their tokens."`
	Webhook   webhookCmd   `cmd:"" help:"Tell other systems what happens: endpoints, deliveries, secrets."`
	Check     checkCmd     `cmd:"" help:"Add up the ledger and list what needs an operator."`
	DataKeys  dataKeysCmd  `cmd:"" help:"Rotate the keys that encrypt personal data."`
	Sign      signCmd      `cmd:"" help:"Sign one cardExt and print it."`
	Explain   explainCmd   `cmd:"" help:"Explain why a phone answers 签名错误 to a cardExt."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

//go:embed help.txt
var details string

func main() { command.Main("server", about, details, &commands{}) }
