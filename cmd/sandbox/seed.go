package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/seed"
)

type seedCmd struct {
	Members     int    `help:"How many members (${default})." default:"10000"`
	Entries     int    `help:"How many entries all their ledgers have together; ten for each member by default." default:"-1" placeholder:"N"`
	Database    string `help:"The database to fill, as DATABASE_URL names it; PostgreSQL's must be there; by default what the server takes, sqlite:addcard.db." placeholder:"URL" xor:"where"`
	Data        string `help:"Fill the database in this folder instead, for: sandbox --data DIR." type:"path" placeholder:"DIR" xor:"where"`
	Seed        uint64 `help:"The same number makes the same members (${default})." default:"1"`
	Card        string `help:"The card_id that they hold (${default})." default:"pSeededCard00000000000000000" placeholder:"CARD_ID"`
	MiniProgram string `help:"The mini-program's AppID, in which their openids are (${default})." default:"wx00000000000000a1" placeholder:"APP_ID"`
	Official    string `help:"The Official Account's AppID (${default})." default:"wx00000000000000b2" placeholder:"APP_ID"`
}

// Help implements kong.HelpProvider.
func (seedCmd) Help() string {
	return `Makes members as if they had come over two years, with identities, cards, ledgers and events: to try addcard, or to measure it,
with as many as a shop has. One that was broken off goes on where it stopped when it is called again with the same flags; a database
with other members is left as it is. Examples:
  go run ./cmd/sandbox seed --members 1000000
  go run ./cmd/sandbox seed --members 1000 --entries 5000 --data mydata
  go run ./cmd/sandbox seed --members 100000 --database postgres://addcard:secret@127.0.0.1/addcard`
}

// Validate implements kong's hook.
func (c *seedCmd) Validate() error {
	const most = 100_000_000
	if c.Members < 1 || c.Members > most {
		return fmt.Errorf("--members must be between 1 and %d", most)
	}
	if c.Entries == -1 {
		c.Entries = 10 * c.Members
	}
	if c.Entries < 0 || c.Entries/c.Members > seed.MaxEntries {
		return fmt.Errorf("--entries must be between 0 and %d for each member", seed.MaxEntries)
	}
	return sqldb.CheckURL(c.url())
}

func (c *seedCmd) url() string {
	if c.Data != "" {
		return "sqlite:" + filepath.Join(c.Data, databaseFile)
	}
	return cmp.Or(c.Database, "sqlite:"+databaseFile)
}

// Run fills the database.
func (c *seedCmd) Run(ctx context.Context, io command.Streams) (err error) {
	if c.Data != "" {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return err
		}
	}
	db, err := sqldb.Open(ctx, c.url())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	began, said := time.Now(), time.Now()
	o := seed.Options{
		Members: c.Members, Entries: c.Entries, Seed: c.Seed, CardID: c.Card, MiniProgram: c.MiniProgram, Official: c.Official,
		Progress: func(members, entries int) {
			if time.Since(said) > 5*time.Second {
				said = time.Now()
				_, _ = fmt.Fprintf(io.Err, "%d of %d members, %d of %d entries\n", members, c.Members, entries, c.Entries)
			}
		},
	}
	switch err := seed.Fill(ctx, db, o); {
	case errors.Is(err, seed.ErrNotEmpty):
		return errors.New("the database has other members already: choose an empty one with --data or --database")
	case ctx.Err() != nil:
		return errors.New("broken off; the same command goes on from here")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(io.Err, "%d members with %d entries are there, after %s\n", c.Members, c.Entries, time.Since(began).Round(time.Second))
	return err
}
