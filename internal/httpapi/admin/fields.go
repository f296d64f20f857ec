package admin

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/member"
)

type fieldsInput struct {
	web.CodePath
	Body struct {
		Field1 *string `json:"custom_field1,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Field2 *string `json:"custom_field2,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Field3 *string `json:"custom_field3,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Notify bool    `json:"notify,omitempty" doc:"Whether WeChat sends the holder a message about each that is given."`
	}
}

func (in *fieldsInput) values() [3]*string {
	return [3]*string{in.Body.Field1, in.Body.Field2, in.Body.Field3}
}

// Resolve checks what a schema cannot describe.
func (in *fieldsInput) Resolve(huma.Context) []error {
	var errs []error
	given := false
	for i, v := range in.values() {
		if v == nil {
			continue
		}
		given = true
		if message := web.CheckText(*v, member.MaxField); message != "" {
			errs = append(errs, web.FieldError{Location: fmt.Sprintf("body.custom_field%d", i+1), Message: message})
		}
	}
	if !given {
		errs = append(errs, web.FieldError{Location: "body", Message: "one of custom_field1 to custom_field3 is required"})
	}
	return errs
}

type fieldsOutput struct {
	Body struct {
		Field1 string `json:"custom_field1,omitempty"`
		Field2 string `json:"custom_field2,omitempty"`
		Field3 string `json:"custom_field3,omitempty"`
	}
}

func (a *api) setFields(ctx context.Context, in *fieldsInput) (*fieldsOutput, error) {
	now, err := a.Fields.SetFields(ctx, in.CardID, in.Code, member.FieldChange{Values: in.values(), Notify: in.Body.Notify})
	var out fieldsOutput
	out.Body.Field1, out.Body.Field2, out.Body.Field3 = now[0], now[1], now[2]
	return &out, err
}
