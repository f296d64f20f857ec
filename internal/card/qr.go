package card

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// PNG draws what the picture says, for printing: each module has eight pixels.
func (t QRTicket) PNG() ([]byte, error) {
	code, err := qr.Encode(t.URL, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return code.PNG(), nil
}

// Text draws it for a terminal, dark on light, two modules a line.
func (t QRTicket) Text() (string, error) {
	code, err := qr.Encode(t.URL, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	const quiet = 2 // modules of margin
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(halves[dark(code, x, y)][dark(code, x, y+1)])
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// halves are the characters for two modules, the upper first, in a terminal
// that writes light on dark: a light module is ink.
var halves = map[bool]map[bool]string{
	false: {false: "█", true: "▀"},
	true:  {false: "▄", true: " "},
}

func dark(code *qr.Code, x, y int) bool {
	return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y)
}
