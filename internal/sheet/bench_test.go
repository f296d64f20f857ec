package sheet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/addcard/addcard/internal/sheet"
)

// BenchmarkReader reads 100,000 lines of 6 columns.
func BenchmarkReader(b *testing.B) {
	for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX} {
		var file bytes.Buffer
		err := sheet.Write(&file, sheet.File{Format: format}, func(add sheet.Row) error {
			err := add("phone", "code", "bonus", "name", "等级", "门店")
			for i := range 100_000 {
				err = errors.Join(err, add(fmt.Sprintf("138%08d", i), fmt.Sprintf("%016d", i), int64(i), "张三丰", "金卡", "一号店"))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := sheet.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), people)
				n := 0
				for ; err == nil; n++ {
					_, err = r.Next()
				}
				if !errors.Is(err, io.EOF) || n != 100_001 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
