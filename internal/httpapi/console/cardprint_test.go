package console_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// modules returns the modules of the QR code that a page draws, without its margin.
func modules(t *testing.T, p page) [][]bool {
	t.Helper()
	box := regexp.MustCompile(`viewBox="0 0 (\d+) \d+" shape-rendering`).FindStringSubmatch(p.text)
	if box == nil {
		t.Fatalf("no QR code:\n%.3000s", p.text)
	}
	size, _ := strconv.Atoi(box[1])
	dark := make([][]bool, size)
	for y := range dark {
		dark[y] = make([]bool, size)
	}
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`).FindAllStringSubmatch(p.text, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		for i := range n {
			dark[y][x+i] = true
		}
	}
	return dark
}

// The printed QR code says what WeChat gave, has its margin, and carries the channel to
// the card that is taken with it.
func TestPrint_TheQRCodeCarriesTheChannel(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	b := signedIn(t, s, s.Admin)
	const channel = `门口 <b>&1`
	made := func() int { return w.Sim.Calls()["/card/qrcode/create"].Total }
	b.open("/cards/"+id+"/print?channel="+url.QueryEscape(channel)).shows(200, `value="门口 &lt;b&gt;&amp;1"`, "以前生成的")
	if n := made(); n != 0 {
		t.Errorf("the form has made %d codes", n)
	}
	p := b.send("/cards/"+id+"/print", url.Values{"channel": {channel}}).shows(200, `class="poster"`, "示例",
		"门口 &lt;b&gt;&amp;1</p>", "有效期至 20", `data-reload="/cards/`+id+`/print?channel=%E9`)
	content := regexp.MustCompile(`<code>(http[^<]*)</code>`).FindStringSubmatch(p.text)[1]
	want, err := qr.Encode(content, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	const margin = 4
	dark := modules(t, p)
	if len(dark) != want.Size+2*margin {
		t.Fatalf("%d modules, want %d", len(dark), want.Size+2*margin)
	}
	for y := range dark {
		for x := range dark {
			if dark[y][x] != want.Black(x-margin, y-margin) {
				t.Fatalf("the module at %d,%d is wrong", x, y)
			}
		}
	}
	scanned, err := json.Marshal(apptest.Object{"url": content})
	if err != nil {
		t.Fatal(err)
	}
	w.Phone("ming", "scan-qr", string(scanned))
	faces, err := w.Sim.Cards("ming")
	if err != nil || len(faces) != 1 || faces[0].OuterStr != channel {
		t.Errorf("the wallet has %+v, %v", faces, err)
	}
	b.send("/cards/"+id+"/print", url.Values{"channel": {strings.Repeat("x", 129)}}).shows(422, "渠道", strings.Repeat("x", 129))
	custom := w.NewCard(s, apptest.RealTime)
	b.open("/cards/"+custom+"/print").shows(422, "每个二维码只能用一次", "<code>code_works_once</code>")
	b.send("/cards/"+custom+"/print", url.Values{"channel": {""}}).shows(422, "每个二维码只能用一次")
	b.open("/cards/nothing/print").shows(404, "没有这张卡")
}
