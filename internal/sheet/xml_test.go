package sheet_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sheet/sheettest"
)

// Small archives that unzip to much are refused before they fill the memory.
func TestReader_BombsNeedLittleMemory(t *testing.T) {
	const size = 16 << 20
	for name, rows := range map[string]string{
		"a long text":    `<row r="1"><c t="inlineStr"><is><t>` + strings.Repeat("a", size),
		"deep elements":  `<row r="1"><c>` + strings.Repeat("<v>", size/3),
		"deep in a row":  `<row r="1">` + strings.Repeat("<x>", size/3),
		"deep rows":      strings.Repeat("<x>", size/3),
		"a long comment": `<row r="1"><!--` + strings.Repeat("<", size),
		"attributes":     `<row r="1"` + strings.Repeat(` a=""`, size/5),
	} {
		file := sheettest.Book(rows, "")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := firstError(file)
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; err == nil || !strings.Contains(err.Error(), "damaged") || allocated > 15 {
			t.Errorf("%s: %v, %d MiB allocated", name, err, allocated)
		}
	}
}
