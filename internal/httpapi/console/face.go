package console

import (
	"regexp"
	"unicode/utf8"
)

// face is a card as a phone shows it.
type face struct {
	Brand, Title, Code string
	Color              string // as WeChat gives it: a name, or a value in hex
	Cells              []cell
}

// cell is a value on the face of a card.
type cell struct{ Label, Value string }

// Initial returns the letter that the face shows instead of the logo, which is at
// WeChat: a page loads nothing from there.
func (f face) Initial() string {
	_, size := utf8.DecodeRuneInString(f.Brand)
	return f.Brand[:size]
}

var hexColour = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// Tint returns the colour of the face if it is none of WeChat's names for colours.
func (f face) Tint() string { return hexColour.FindString(f.Color) }

// sampleFace returns the face of a new card of this kind.
func (r *request) sampleFace(s shownCard) face {
	b := s.BaseInfo
	f := face{Brand: b.BrandName, Title: b.Title, Code: r.words().T("face.code"), Color: b.Color}
	if s.SupplyBonus {
		f.Cells = append(f.Cells, cell{r.words().T("card.bonus"), decimal(s.Settings.InitBonus)})
	}
	if s.SupplyBalance {
		f.Cells = append(f.Cells, cell{r.words().T("card.balance"), yuan(s.Settings.InitBalance)})
	}
	for _, p := range s.Fields() {
		f.Cells = append(f.Cells, cell{Label: r.label(p.Name, p.Type)})
	}
	return f
}

// label returns the name of a place on the face: the shop's own, or that of WeChat's type.
func (r *request) label(name, nameType string) string {
	if name != "" {
		return name
	}
	return r.words().Word("cell."+nameType, nameType)
}

// describe adds what the kind of a member's card says, and so its face.
func (r *request) describe(m *memberCard, kind listedCard) {
	m.describe(kind)
	m.CustomFields = r.fieldsOf(*m, kind)
	m.Face = r.faceOf(*m, kind)
}

// faceOf returns the face of a member's card.
func (r *request) faceOf(m memberCard, kind listedCard) face {
	f := face{Brand: kind.BrandName, Title: kind.Title, Code: m.Code, Color: kind.Color}
	f.Cells = []cell{{r.words().T("card.bonus"), decimal(m.Bonus)}}
	if kind.SupplyBalance || m.Balance != 0 {
		f.Cells = append(f.Cells, cell{r.words().T("card.balance"), yuan(m.Balance)})
	}
	for _, field := range m.CustomFields {
		f.Cells = append(f.Cells, cell{field.Label, field.Value})
	}
	return f
}

// customField is a field of a member's card that the shop may change.
type customField struct{ Name, Label, Value string }

// fieldsOf returns the custom fields that a card has or that have a value.
func (r *request) fieldsOf(m memberCard, kind listedCard) (fields []customField) {
	labels := map[string]string{}
	for _, f := range kind.CustomFields {
		labels[f.Field] = r.label(f.Name, f.NameType)
	}
	for _, name := range []string{"custom_field1", "custom_field2", "custom_field3"} {
		label, has := labels[name]
		if !has {
			label = name
		}
		if has || m.Fields[name] != "" {
			fields = append(fields, customField{name, label, m.Fields[name]})
		}
	}
	return fields
}
