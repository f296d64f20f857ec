package sheet

import (
	"encoding/xml"
	"errors"
	"io"
)

// The bounds of XML, so that it needs little memory however large it is.
const (
	maxToken = 256 << 10 // bytes from one < to the next
	maxDepth = 64        // elements in each other
)

// errUnbounded is the error for XML that no spreadsheet writes.
var errUnbounded = errors.New("XML beyond its bounds")

// newDecoder returns a decoder of a part of a workbook, which ends with an error where
// the XML exceeds its bounds.
func newDecoder(part io.Reader) *xml.Decoder {
	return xml.NewTokenDecoder(&shallow{xml: xml.NewDecoder(&short{part: part})})
}

// shallow is an xml.TokenReader that refuses deep elements.
type shallow struct {
	xml   *xml.Decoder
	depth int
}

// Token returns the next token.
func (s *shallow) Token() (xml.Token, error) {
	token, err := s.xml.RawToken()
	switch token.(type) {
	case xml.StartElement:
		s.depth++
	case xml.EndElement:
		s.depth--
	}
	if s.depth > maxDepth {
		return nil, errUnbounded
	}
	return token, err
}

// short is a reader that refuses long tokens. Comments and instructions may have < in
// them, so it refuses those behind the declaration at the beginning.
type short struct {
	part  io.Reader
	n     int // the bytes since <
	total int
}

// Read reads a part of the XML.
func (s *short) Read(b []byte) (int, error) {
	n, err := s.part.Read(b)
	for _, c := range b[:n] {
		s.total++
		switch {
		case s.n == 1 && (c == '!' || c == '?') && s.total > len("\ufeff<?"):
			return 0, errUnbounded
		case c == '<':
			s.n = 0
		}
		if s.n++; s.n > maxToken {
			return 0, errUnbounded
		}
	}
	return n, err
}
