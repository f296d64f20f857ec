package console

// group is a part of a form with a heading, "group." and its name; "" has none.
type group struct {
	Name   string
	Inputs []input
}

// input is an input of a form. Its label is "field." and its name, and a hint "hint."
// and its name.
type input struct {
	Name    string // as the API calls it, so that a problem names it
	Kind    string // "area", "select", "radio", "colour", "file", "number" or a type of HTML
	Value   string // before the person changes it
	Max     int    // of characters, unless it is 0
	Options []string
	Empty   bool   // may be left empty
	When    string // with which choice it is used, NAME=OPTION OPTION, or "" for all
	Quote   string // what the label quotes
}

// action is a form of a page that has several, which a person opens. Its texts are
// "cards.action.", "cards.about." and "cards.send." with its name.
type action struct {
	Name   string // the last part of its path
	Upload bool   // it may have a picture
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
