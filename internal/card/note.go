package card

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/audit"
)

// pick returns the part of a card that has the fields of the other.
func pick(from, fields object) object {
	picked := object{}
	for name, value := range fields {
		had, ok := from[name]
		if inner, isObject := value.(object); isObject && ok {
			had, _ := had.(object)
			picked[name] = pick(had, inner)
		} else if ok {
			picked[name] = had
		}
	}
	return picked
}

// noteDifference adds to the audit log what differs between two states of a card, by
// the path of each field.
func noteDifference(ctx context.Context, path string, before, after object) {
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, is := before[name], after[name]
		wasObject, _ := was.(object)
		isObject, ok := is.(object)
		switch {
		case ok:
			noteDifference(ctx, path+name+".", wasObject, isObject)
		case !reflect.DeepEqual(was, is):
			audit.Note(ctx, path+name, was, is)
		}
	}
}

// noteSettings adds to the audit log which settings have changed.
func noteSettings(ctx context.Context, before, after Settings) {
	was, is := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range was.NumField() {
		if b, a := was.Field(i).Interface(), is.Field(i).Interface(); !reflect.DeepEqual(b, a) {
			name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("json"), ",")
			audit.Note(ctx, name, b, a)
		}
	}
}
