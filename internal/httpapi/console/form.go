package console

import (
	"net/http"
	"strings"
)

// group is a part of a form with a heading, "group." and its name; "" has none.
type group struct {
	Name   string
	Inputs []input
}

// input is an input of a form. Its label is "field." and its name, and a hint "hint."
// and its name.
type input struct {
	Name    string // as the API calls it, so that a problem names it
	Kind    string // "area", "select", "radio", "colour", "file" (a picture), "table", "number" or a type of HTML
	Value   string // before the person changes it
	Max     int    // of bytes, as WeChat counts, unless it is 0
	Options []string
	Empty   bool   // may be left empty
	When    string // with which choice it is used, NAME=OPTION OPTION, or "" for all
	Quote   string // what the label quotes
}

// Required reports whether the input must be filled in, if it is shown.
func (f input) Required() bool {
	return !f.Empty && f.Kind != "select" && f.Kind != "radio" && f.Kind != "colour"
}

// check returns what is wrong with single fields of a form. The API would say it in
// English only.
func (r *request) check(groups []group) error {
	all := &problem{Status: http.StatusUnprocessableEntity, Code: "invalid_input"}
	for _, g := range groups {
		for _, f := range g.Inputs {
			if message, values := r.fault(f); message != "" {
				all.Errors = append(all.Errors, fieldError{f.Name, message, values})
			}
		}
	}
	if len(all.Errors) == 0 {
		return nil
	}
	return all
}

// fault returns the message about what the person sent in a field, or "".
func (r *request) fault(f input) (message string, values []any) {
	text := r.text(f.Name)
	_, sent := r.GetPostForm(f.Name)
	switch {
	case f.Kind == "file": // what was uploaded is in another field
		if f.Required() && r.text(f.Name+"_url") == "" {
			return "upload it, or enter its address", nil
		}
	case !sent:
	case text == "" && f.Required() && f.When == "":
		return "is required", nil
	case f.Kind == "tel" && strings.Trim(text, "+- 0123456789") != "":
		return "must be a phone number", nil
	case f.Max > 0 && len(text) > f.Max:
		return "has too many bytes", []any{f.Max / 3, f.Max, len(text)}
	}
	return "", nil
}

// action is a form of a page that has several, which a person opens. Its texts are
// "cards.action.", "cards.about." and "cards.send." with its name.
type action struct {
	Name   string // the last part of its path
	Upload bool   // it may have a file
	Groups []group
}

// formView is what the template "inputs" is rendered with.
type formView struct {
	View

	Groups []group
}

// Form returns what the template "inputs" is rendered with.
func (v View) Form(groups []group) formView { return formView{v, groups} }

// Option returns the text of a choice: its own, that of all inputs, or its name.
func (v View) Option(field, option string) string {
	return v.Word("option."+field+"."+option, v.Word("option."+option, option))
}
