package phone_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/phone"
)

func TestNormalize_SpellingsOfOneNumber(t *testing.T) {
	t.Parallel()
	for want, spellings := range map[string][]string{
		"+8613800138000": {
			"13800138000", " 13800138000 ", "138 0013 8000", "138-0013-8000", "１３８００１３８０００", "１３８　００１３　８０００", "138.0013.8000",
			"+8613800138000", "+86 138 0013 8000", "+86-138-0013-8000", "＋８６１３８００１３８０００", "(+86) 138 0013 8000", "（＋86）13800138000",
			"8613800138000", "86 138-0013-8000", "(86)13800138000", "008613800138000", "00 86 138 0013 8000", "+008613800138000",
			"013800138000", "+86 (0)138 0013 8000", "+86013800138000", "86013800138000", "138\u00a00013\u20118000", "138–0013—8000", "138－0013－8000",
			"138～0013～8000",
			"\u202d13800138000\u202c", "138\u200b00138000", "138\x07001\t38000\n", "138\u30fc0013\u22128000", "١٣٨٠٠١٣٨٠٠٠", "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
		},
		"+8613900139000":  {"𝟷𝟹𝟿𝟶𝟶𝟷𝟹𝟿𝟶𝟶𝟶"},
		"+861012345678":   {"010-12345678", "(010) 1234 5678", "+86 10 1234 5678", "+86 010 12345678", "0086-10-12345678", "86-10-12345678"},
		"+862088888888":   {"020-88888888", "（020）8888 8888", "+86 20 88888888", "０２０８８８８８８８８", "86 020 88888888"},
		"+8675512345678":  {"0755-12345678", "0755 1234 5678", "+86 755 12345678", "+86 (0)755 12345678", "8675512345678"},
		"+863111234567":   {"0311-1234567", "+86 311 1234567", "86 311 1234567"},
		"+85291234567":    {"+852 9123 4567", "0085291234567", "００８５２９１２３４５６７", "＋852-9123-4567"},
		"+13800138000":    {"+1 380 013 8000", "001 380 013 8000", "+1 (380) 013-8000", "+1-380-013-8000"},
		"+442079460958":   {"+44 20 7946 0958", "+44 (0)20 7946 0958", "0044 20 7946 0958"},
		"91234567":        {"91234567", "9123 4567", "９１２３-4567"}, // of an unknown country
		"+8613800138":     {"+86 13800138", "008613800138"},       // not complete, so not the same as any other
		"+8695588":        {"+86 95588"},
		"138001380001":    {"138001380001"},
		"01012345678801":  {"010-12345678-801"}, // with an extension
		"12345678901":     {"12345678901"},
		"123456789012345": {"123456789012345"},
		"23456789012":     {"23456789012"}, // no mobile number
		"8612345678":      {"8612345678"},  // of another country, where it begins so
		"01234567890":     {"01234567890"}, // no landline
		"+864008001234":   {"400-800-1234", "4008001234", "+86 400 800 1234"},
		"+61412345678":    {"+61 (0)412 345 678", "0061 412 345 678"},
		"+8616012345678":  {"16012345678", "016012345678", "+86 160-1234-5678"}, // of a range that is not in use yet
		"+8617900001000":  {"17900001000", "017900001000", "+86 179 0000 1000"},
		"+390612345678":   {"+39 06 1234 5678"},
		"+491701234567":   {"+49 170 1234567"},
		"+81312345678":    {"+81 3-1234-5678"},
		"+85361234567":    {"+853 6123 4567"},
		"+886912345678":   {"+886 912 345 678"},
	} {
		for _, spelling := range spellings {
			if got := phone.Normalize(spelling); got != want {
				t.Errorf("%q: got %q, want %q", spelling, got, want)
			}
		}
	}
}

func TestNormalize_NoNumbers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "+", "00", "0", "+0", "abc", "137****5678", "13800138000 转 8", "13800138000x8", "call 13800138000", "123456", "1234567890123456",
		"13800138000/13900139000", "138+00138000", "++8613800138000", "+0 13800138000", "00000000000", "000000",
		"+999 12345678", "一三八", "()", "①③⑧⓪⓪①③⑧⓪⓪⓪",
		"4c1d8c0e-54c5-4d3e-9f33-0b1a5d3b8f11", "oSimMxDjop8vVVZaUIzWFCkYEgq9", "13800138000,", "\xff13800138000",
	} {
		if got := phone.Normalize(text); got != "" {
			t.Errorf("%q: got %q, want no number", text, got)
		}
	}
}

func TestJoin_TakesWhatWeChatSays(t *testing.T) {
	t.Parallel()
	for want, parts := range map[string][][2]string{
		"+8613580006666": {{"86", "13580006666"}, {"+86", "13580006666"}, {"0086", "13580006666"}, {"", "13580006666"}},
		"+85291234567":   {{"852", "91234567"}, {"+852", "9123 4567"}},
		"+13800138000":   {{"1", "3800138000"}},
		"":               {{"86", ""}, {"", ""}, {"86", "junk"}, {"x", "13580006666"}, {"86", "+8613580006666"}},
	} {
		for _, p := range parts {
			if got := phone.Join(p[0], p[1]); got != want {
				t.Errorf("%q: got %q, want %q", p, got, want)
			}
		}
	}
}

func TestShort_IsWhatWeChatWrites(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+8613800138000": "13800138000", "+861012345678": "+861012345678", "+13800138000": "+13800138000", "91234567": "91234567", "": "",
	} {
		if got := phone.Short(number); got != want {
			t.Errorf("%q: got %q, want %q", number, got, want)
		}
	}
}

func TestMask_HidesTheMiddle(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+8613800138000": "138****8000", "13800138000": "138****8000", "+85291234567": "+852****4567", "+861012345678": "+8610****5678",
		"1234567": "****4567", "12345": "****2345", "1234": "****", "12": "****", "": "****",
	} {
		if got := phone.Mask(number); got != want {
			t.Errorf("%q: got %q, want %q", number, got, want)
		}
	}
}

// number is a phone number as people think of it.
type number struct{ country, home string }

// countries has the mobile numbers of some countries, as regular expressions.
var countries = map[string]string{
	"1": "212[2-9][0-9]{6}", "852": "[69][1-5][0-9]{6}", "853": "6[2368][0-9]{6}", "886": "9[1-8][0-9]{7}", "81": "90[1-9][0-9]{7}",
	"44": "7[4-9][0-9]{8}", "7": "91[0-9]{8}", "65": "9[0-8][0-9]{6}", "39": "3[3-4][0-9]{8}",
}

func draw(t *rapid.T, label string) number {
	kind := rapid.SampledFrom([]string{"mobile", "Beijing", "Guangzhou", "Shenzhen", "county", "abroad"}).Draw(t, label)
	switch kind {
	case "mobile":
		return number{"86", rapid.StringMatching(`1[3-9][0-9]{9}`).Draw(t, label)}
	case "Beijing", "Guangzhou":
		return number{"86", rapid.StringMatching(`(10|2[0-57-9])[2-8][0-9]{7}`).Draw(t, label)}
	case "Shenzhen", "county":
		return number{"86", rapid.StringMatching(`((755|311|571|898)[2-8][0-9]{7}|(459|396)[2-8][0-9]{6})`).Draw(t, label)}
	}
	country := rapid.SampledFrom(slices.Sorted(maps.Keys(countries))).Draw(t, label)
	return number{country, rapid.StringMatching(countries[country]).Draw(t, label)}
}

// spell writes a number in one of the ways in which people write it.
func spell(t *rapid.T, n number, label string) string {
	prefixes := []string{"+" + n.country, "00" + n.country, "+00" + n.country, "(+" + n.country + ")"}
	if n.country == "86" {
		prefixes = append(prefixes, "86", "0", "+86(0)", "+860", "860")
		if n.home[0] == '1' && len(n.home) == 11 {
			prefixes = append(prefixes, "")
		}
	}
	var b strings.Builder
	wide := rapid.Bool().Draw(t, label)
	for i, r := range rapid.SampledFrom(prefixes).Draw(t, label) + n.home {
		if wide && r > ' ' {
			r += '！' - '!'
		}
		b.WriteRune(r)
		if i >= len(n.country) && r != '(' && r != '（' && r != '0' && r != '０' {
			b.WriteString(rapid.SampledFrom([]string{"", "", " ", "-", "　", "－", "\u202c", ".", " - "}).Draw(t, label))
		}
	}
	return b.String()
}

func TestNormalize_AnySpellingOfOneNumberAndNoOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if rapid.Bool().Draw(t, "near") { // the same digits in another country
			b.home = a.home
			if b.country == "86" {
				b.country = "1"
			}
		}
		x, again, y := phone.Normalize(spell(t, a, "x")), phone.Normalize(spell(t, a, "again")), phone.Normalize(spell(t, b, "y"))
		if want := "+" + a.country + a.home; x != want || again != want {
			t.Errorf("%v: got %q and %q", a, x, again)
		}
		if (x == y) != ("+"+a.country+a.home == "+"+b.country+b.home) {
			t.Errorf("%v and %v: got %q and %q", a, b, x, y)
		}
		if (phone.Short(x) == phone.Short(y)) != (x == y) {
			t.Errorf("%q and %q: got %q and %q", x, y, phone.Short(x), phone.Short(y))
		}
	})
}

func FuzzNormalize(f *testing.F) {
	for _, text := range []string{
		"+86 138 0013 8000", "１３８００１３８０００", "010-12345678", "+44 (0)20 7946 0958", "junk", "\xff", "(0)", "+(0)", "00(0)86", "0(000000",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := phone.Normalize(text)
		if got == "" {
			return
		}
		digits := strings.TrimPrefix(got, "+")
		if strings.Trim(digits, "0123456789") != "" || len(digits) < 7 || len(digits) > 15 {
			t.Errorf("%q: got %q", text, got)
		}
		for _, same := range []string{phone.Normalize(got), phone.Normalize(" " + text + "-"), phone.Normalize(phone.Short(got))} {
			if same != got {
				t.Errorf("%q: got %q, and then %q", text, got, same)
			}
		}
	})
}
