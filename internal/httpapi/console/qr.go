package console

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the light margin that a scanner needs, in modules.
const quiet = 4

// qrCode is a QR code as a path of SVG, in modules.
type qrCode struct {
	Size int // with the margin
	Path string
}

// drawQR draws a QR code that can be read if 15 % of it are covered.
func drawQR(text string) (qrCode, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrCode{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return qrCode{code.Size + 2*quiet, path.String()}, nil
}
