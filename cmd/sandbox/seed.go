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
	Members     int    `help:"The number of members (${default})." default:"10000"`
	Entries     int    `help:"The number of entries in all ledgers together; ten for each member by default." default:"-1" placeholder:"N"`
	Database    string `help:"The database, as in DATABASE_URL; sqlite:addcard.db by default." placeholder:"URL" xor:"where"`
	Data        string `help:"Fill the database in this folder, for: sandbox --data DIR." type:"path" placeholder:"DIR" xor:"where"`
	Seed        uint64 `help:"The same number gives the same members (${default})." default:"1"`
	Card        string `help:"The card_id of their cards (${default})." default:"pSeededCard00000000000000000" placeholder:"CARD_ID"`
	MiniProgram string `help:"The mini-program's AppID for their openids (${default})." default:"wx00000000000000a1" placeholder:"APP_ID"`
	Official    string `help:"The Official Account's AppID (${default})." default:"wx00000000000000b2" placeholder:"APP_ID"`
}

func (seedCmd) Help() string {
	return `Creates members with identities, cards, ledgers and events, spread over two years, to try or to measure addcard with as many
members as a shop has. An interrupted run continues when it is called again with the same flags. A database with other members is not
changed. Examples:
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

func (c *seedCmd) Run(ctx context.Context, streams command.Streams) (err error) {
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
	began, reported := time.Now(), time.Now()
	o := seed.Options{
		Members: c.Members, Entries: c.Entries, Seed: c.Seed, CardID: c.Card, MiniProgram: c.MiniProgram, Official: c.Official,
		Progress: func(members, entries int) {
			if time.Since(reported) > 5*time.Second {
				reported = time.Now()
				streams.Messagef("%d of %d members, %d of %d entries", members, c.Members, entries, c.Entries)
			}
		},
	}
	switch err := seed.Fill(ctx, db, o); {
	case errors.Is(err, seed.ErrNotEmpty):
		return errors.New("the database has other members already: choose an empty one with --data or --database")
	case ctx.Err() != nil:
		return errors.New("interrupted; repeat the command to continue")
	case err != nil:
		return err
	}
	streams.Messagef("%d members with %d entries are in the database, after %s", c.Members, c.Entries, time.Since(began).Round(time.Second))
	return nil
}
