package push

// Reasons why an authentic push is unusable. They are stable and fit for a metric.
const (
	// NotXML is a body that begins neither as XML nor as JSON.
	NotXML = "not_xml"
	// BrokenJSON is a body that begins as JSON and is not one object with unique names.
	BrokenJSON = "broken_json"
	// BrokenXML is XML that is not well-formed, apart from characters that XML does not
	// allow, or that WeChat never writes: a repeated
	// element of a card event, a prefix, an attribute, a comment, a DOCTYPE.
	BrokenXML = "broken_xml"
	// OtherAccount is a push to an original ID other than Options.OriginalID.
	OtherAccount = "other_account"
	// NotAnEvent is a message written by a person.
	NotAnEvent = "not_an_event"
	// UnknownEvent is an event that is not in [Names].
	UnknownEvent = "unknown_event"
	// MissingField is a card event without a required element.
	MissingField = "missing_field"
	// BadField is a card event with an invalid number, or with an identifier that is
	// too long or contains blanks or control characters.
	BadField = "bad_field"
)

// UnusableError is an authentic push that has no effect. The answer to it is "success".
type UnusableError struct {
	Reason string // one of the constants of this package
	Field  string // the name of the element, for MissingField and BadField
}

// Error returns the reason and the name of the element, but no content of the push.
func (u *UnusableError) Error() string {
	if u.Field == "" {
		return "push: unusable: " + u.Reason
	}
	return "push: unusable: " + u.Reason + " " + u.Field
}
