package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim"
)

// guesses returns the simulator's switches as --guess sets them.
func guesses(chosen map[string]string) (g wechatsim.Assumptions, err error) {
	switches := g.List()
	for name, value := range chosen {
		i := slices.IndexFunc(switches, func(s wechatsim.Assumption) bool { return s.Name == name })
		if i < 0 {
			return g, fmt.Errorf("--guess %s: no such switch; --guesses lists them", name)
		}
		if choices := switches[i].Choices; !slices.Contains(choices, value) {
			return g, fmt.Errorf("--guess %s takes one of %s", name, strings.Join(choices, ", "))
		}
	}
	raw, err := json.Marshal(chosen)
	if err != nil {
		return g, err
	}
	return g, json.Unmarshal(raw, &g)
}
