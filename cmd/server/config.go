package main

import (
	"os"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/config"
)

type configCmd struct {
	Show configShowCmd `cmd:"" help:"Print each variable's value and where it comes from; secrets are masked."`
}

type configShowCmd struct {
	JSON bool `name:"json" help:"Print JSON, one variable a line."`
}

func (c configShowCmd) Run(g *globals, streams command.Streams) error {
	file, err := g.fileVars()
	if err != nil {
		return err
	}
	t := newTable(streams.Out)
	for _, s := range config.Show(file, os.Environ()) {
		if s.Origin == config.FromFile {
			s.Origin = g.file()
		}
		if c.JSON {
			if err := printJSON(streams.Out, s); err != nil {
				return err
			}
			continue
		}
		t.row("%s\t%s\t%s", s.Name, s.Value, s.Origin)
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err = g.config() // what is wrong with them
	return err
}
