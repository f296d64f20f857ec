package console

import (
	"net/http"
	"strings"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// sections are the items of the main menu in its order. Each is the first part of the
// path of its pages; its text is "nav." and its name.
var sections = []string{"overview", "till", "members", "imports", "cards", "entries", "pushes", "explain",
	"tickets", "webhooks", "staff", "audit", "settings"}

// section returns the section that a path in the form of gin belongs to.
func section(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name == "" {
		return sections[0]
	}
	return name
}

// Section is an item of the main menu.
type Section struct {
	Name, Path string
	Current    bool
}

// menu returns the sections that a person may open, as the access table says.
func (c *Console) menu(role web.Role, current string) []Section {
	var menu []Section
	for _, name := range sections {
		path := "/" + name
		if name == sections[0] {
			path = "/"
		}
		if c.api.Serves(role, http.MethodGet, path) {
			menu = append(menu, Section{Name: name, Path: path, Current: name == current})
		}
	}
	return menu
}
