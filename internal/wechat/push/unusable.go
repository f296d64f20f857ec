package push

// Reasons why an authentic push is of no use; stable, fit for a metric.
const (
	// NotXML is a body that does not begin as XML: JSON, above all, which a
	// mini-program's push may be and an Official Account's never is.
	NotXML = "not_xml"
	// BrokenXML is XML that is not well-formed, or is what WeChat never writes: a
	// known name twice, a prefix, an attribute, a comment, a DOCTYPE.
	BrokenXML = "broken_xml"
	// OtherAccount is a push to another original ID than ours.
	OtherAccount = "other_account"
	// NotAnEvent is a message that a person wrote.
	NotAnEvent = "not_an_event"
	// UnknownEvent is an event that is none of [Names].
	UnknownEvent = "unknown_event"
	// MissingField is a card event without an element that it needs.
	MissingField = "missing_field"
	// BadField is a card event with a number that is none, or with an identifier
	// that is too long or has blanks or control characters.
	BadField = "bad_field"
)

// Unusable is an authentic push that has no effect. The answer to it is
// "success", and somebody counts it.
type Unusable struct {
	Reason string // one of the constants of this package
	Field  string // the name of the element at fault, of MissingField and BadField
}

// Error holds nothing that was pushed.
func (u *Unusable) Error() string {
	if u.Field == "" {
		return "push: unusable: " + u.Reason
	}
	return "push: unusable: " + u.Reason + " " + u.Field
}
