package console

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// qrCode is a QR code that the server has drawn. Path is its dark modules in the form
// of SVG, one unit for a module.
type qrCode struct {
	Size int // of a side, in modules
	Path string
}

// drawQR draws a text.
func drawQR(text string) (qrCode, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrCode{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	return qrCode{code.Size, path.String()}, nil
}

// quiet is the width of the empty edge that a reader needs, in modules.
const quiet = 4

// Box returns the view box of the code with its edge.
func (q qrCode) Box() string { return fmt.Sprintf("%d %d %d %[3]d", -quiet, -quiet, q.Size+2*quiet) }
