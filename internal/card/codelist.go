package card

import (
	"errors"
	"io"

	"github.com/addcard/addcard/internal/sheet"
)

// CodeList returns the options with which a sheet.Reader reads a list of codes. column
// is the heading of the codes, or their column's number in a file without headings; if
// it is "", the heading must be one of those that people use. A file of one column needs
// none. sheetName is that of a sheet of a workbook; "" is the first visible one.
func CodeList(column, sheetName string) sheet.Options {
	o := sheet.Options{Only: "code", Sheet: sheetName, Columns: []sheet.Column{{Name: "code", Also: []string{
		"卡号", "会员卡号", "会员卡卡号", "券码", "卡券码", "兑换码", "会员码", "会员号", "会员编号", "卡编号", "编号",
		"card number", "card no", "card no.", "card code", "membership number",
	}}}}
	if column != "" {
		o.Headings = map[string]string{"code": column}
	}
	return o
}

// ReadCodes returns the codes of a list. If lines cannot be read or have no code, it
// returns no codes, and the errors of the first ten; each is a sheet.LineError.
func ReadCodes(r *sheet.Reader) (codes []string, err error) {
	const most = 10
	var bad []error
	for len(bad) < most {
		line, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if len(bad) == 0 && len(codes) == 0 {
				return nil, errors.New("the list has no codes")
			}
			return codes, errors.Join(bad...)
		case errors.As(err, new(*sheet.LineError)):
			bad = append(bad, err)
		case err != nil:
			return nil, err
		case line.Values["code"] == "":
			bad = append(bad, &sheet.LineError{Line: line.Number, Reason: "has no code"})
		default:
			codes = append(codes, line.Values["code"])
		}
	}
	return nil, errors.Join(bad...)
}
