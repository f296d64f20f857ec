package auth_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// Tokens of an attacker, by what is wrong with them.

func craftedHeaders(t *testing.T) map[string]string {
	unsigned := b64(`{"alg":"none","kid":"k1","typ":"JWT"}`) + "." + b64(goodClaims) + "."
	tokens := map[string]string{
		"alg none, no signature":     unsigned,
		"alg none, some signature":   unsigned + "AA",
		"alg none, HS256 signature":  header(t, "HS256", "none"),
		"alg in lower case":          header(t, "HS256", "hs256"),
		"HS384":                      signWith(sha512.New384, replaced(t, goodHeader, "HS256", "HS384"), goodClaims, key1),
		"HS512":                      signWith(sha512.New, replaced(t, goodHeader, "HS256", "HS512"), goodClaims, key1),
		"RS256 with an own key":      signRSA(t),
		"alg missing":                header(t, `"alg":"HS256",`, ""),
		"alg null":                   header(t, `"HS256"`, "null"),
		"alg a number":               header(t, `"HS256"`, "256"),
		"alg a list":                 header(t, `"HS256"`, `["HS256"]`),
		"alg none, then HS256":       header(t, `"alg":"HS256"`, `"alg":"none","alg":"HS256"`),
		"alg HS256, then none":       header(t, `"alg":"HS256"`, `"alg":"HS256","alg":"none"`),
		"alg twice the same":         header(t, `"alg":"HS256"`, `"alg":"HS256","alg":"HS256"`),
		"alg with an escape, twice":  header(t, `"alg":"HS256"`, `"alg":"HS256","\u0061lg":"none"`),
		"Alg":                        header(t, `"alg"`, `"Alg"`),
		"typ missing":                header(t, `,"typ":"JWT"`, ""),
		"typ null":                   header(t, `"JWT"`, "null"),
		"typ in lower case":          header(t, `"JWT"`, `"jwt"`),
		"typ at+jwt":                 header(t, `"JWT"`, `"at+jwt"`),
		"typ with a space":           header(t, `"JWT"`, `"JWT "`),
		"typ a media type":           header(t, `"JWT"`, `"application/jwt"`),
		"header a list":              sign(`["HS256","k1","JWT"]`, goodClaims, key1),
		"header null":                sign(`null`, goodClaims, key1),
		"header empty object":        sign(`{}`, goodClaims, key1),
		"header not JSON":            sign(`alg=HS256`, goodClaims, key1),
		"header cut":                 sign(goodHeader[:20], goodClaims, key1),
		"header with a second value": sign(goodHeader+`{}`, goodClaims, key1),
		"header with a BOM":          sign("\ufeff"+goodHeader, goodClaims, key1),
		"header with bad UTF-8":      header(t, `"JWT"`, "\"JWT\xff\""),
		"header with a comment":      header(t, `"alg"`, `/**/"alg"`),
	}
	for _, alg := range []string{"None", "NONE", "nOnE", "RS256", "RS512", "ES256", "PS256", "EdDSA",
		"HS256 ", "HS256\u0000", "ＨＳ256", "dir", ""} {
		tokens[fmt.Sprintf("alg %q", alg)] = header(t, "HS256", alg)
	}
	jwk := `{"kty":"oct","k":"` + b64("an attacker's own key of 32 bytes") + `"}`
	for name, field := range map[string]string{
		"jwk": `"jwk":` + jwk, "jku": `"jku":"https://evil.example/keys"`, "x5u": `"x5u":"https://evil.example/cert"`,
		"x5c": `"x5c":["MIIB"]`, "x5t": `"x5t":"AAAA"`, "crit": `"crit":["exp"]`, "crit empty": `"crit":[]`, "b64": `"b64":false,"crit":["b64"]`,
		"cty": `"cty":"JWT"`, "zip": `"zip":"DEF"`, "enc": `"enc":"A128GCM"`, "unknown": `"x":1`, "null": `"x":null`,
	} {
		tokens["header field "+name] = header(t, `"typ"`, field+`,"typ"`)
	}
	tokens["jwk, signed with it"] = sign(
		replaced(t, goodHeader, `"typ"`, `"jwk":`+jwk+`,"typ"`),
		goodClaims,
		[]byte("an attacker's own key of 32 bytes"),
	)
	return tokens
}

func signRSA(t *testing.T) string {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := b64(replaced(t, goodHeader, "HS256", "RS256")) + "." + b64(goodClaims)
	digest := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(string(sig))
}

func craftedKeys(t *testing.T) map[string]string {
	tokens := map[string]string{
		"kid missing":            header(t, `"kid":"k1",`, ""),
		"kid twice":              header(t, `"kid":"k1"`, `"kid":"k9","kid":"k1"`),
		"KID":                    header(t, `"kid"`, `"KID"`),
		"the other key's kid":    header(t, "k1", "k2"),
		"an unknown key":         sign(goodHeader, goodClaims, []byte("an attacker's own key of 32 bytes")),
		"an empty key":           sign(goodHeader, goodClaims, nil),
		"unknown kid, empty key": sign(replaced(t, goodHeader, "k1", "unknown"), goodClaims, nil),
		"key cut":                sign(goodHeader, goodClaims, key1[:31]),
		"key in base64":          sign(goodHeader, goodClaims, []byte(base64.StdEncoding.EncodeToString(key1))),
	}
	for _, kid := range []string{`"k3"`, `"K1"`, `"k1 "`, `""`, `"k1\u0000"`, `1`, `null`, `true`, `["k1"]`, `{"kid":"k1"}`,
		`"../../../../dev/null"`, `"/etc/hostname"`, `"k1' or '1'='1"`, `"x' union select 'key"`, `"k1;id"`, `"file:///k1"`, `"k１"`} {
		tokens["kid "+kid] = header(t, `"k1"`, kid)
		tokens["kid "+kid+", empty key"] = sign(replaced(t, goodHeader, `"k1"`, kid), goodClaims, nil)
	}
	return tokens
}

func craftedClaims(t *testing.T) map[string]string {
	tokens := map[string]string{
		"iss of another":       claims(t, `"iss":"addcard"`, `"iss":"evil"`),
		"iss in another case":  claims(t, `"iss":"addcard"`, `"iss":"Addcard"`),
		"iss a list":           claims(t, `"iss":"addcard"`, `"iss":["addcard"]`),
		"iss twice":            claims(t, `"iss":"addcard"`, `"iss":"evil","iss":"addcard"`),
		"aud of another":       claims(t, `"aud":"addcard"`, `"aud":"admin"`),
		"aud a list":           claims(t, `"aud":"addcard"`, `"aud":["addcard"]`),
		"aud a list of two":    claims(t, `"aud":"addcard"`, `"aud":["addcard","admin"]`),
		"aud twice":            claims(t, `"aud":"addcard"`, `"aud":"admin","aud":"addcard"`),
		"sub twice":            claims(t, `"sub"`, `"sub":"`+jti+`","sub"`),
		"sub twice, escaped":   claims(t, `"jti"`, `"\u0073ub":"`+jti+`","jti"`),
		"sub and Sub":          claims(t, `"jti"`, `"Sub":"`+jti+`","jti"`),
		"Sub":                  claims(t, `"sub"`, `"Sub"`),
		"jti twice":            claims(t, `"jti"`, `"jti":"`+sub+`","jti"`),
		"nbf":                  claims(t, `"iat"`, `"nbf":1763899200,"iat"`),
		"an openid":            claims(t, `"iat"`, `"openid":"o1","iat"`),
		"an admin flag":        claims(t, `"iat"`, `"admin":true,"iat"`),
		"an unknown null":      claims(t, `"iat"`, `"x":null,"iat"`),
		"claims a list":        sign(goodHeader, "["+goodClaims+"]", key1),
		"claims null":          sign(goodHeader, "null", key1),
		"claims a string":      sign(goodHeader, `"addcard"`, key1),
		"claims empty object":  sign(goodHeader, "{}", key1),
		"claims not JSON":      sign(goodHeader, "sub=1", key1),
		"claims cut":           sign(goodHeader, goodClaims[:60], key1),
		"claims and a value":   sign(goodHeader, goodClaims+"{}", key1),
		"claims and a comma":   claims(t, "1763906400}", "1763906400,}"),
		"bad UTF-8":            claims(t, `"iss":"addcard"`, "\"iss\":\"addcard\xff\""),
		"a lone surrogate":     claims(t, `"iss":"addcard"`, `"iss":"addcard\ud800"`),
		"claims in UTF-16":     sign(goodHeader, strings.Join(strings.Split(goodClaims, ""), "\x00"), key1),
		"deeply nested claims": sign(goodHeader, strings.Repeat("[", 1000), key1),
	}
	for _, name := range []string{"iss", "aud", "sub", "jti"} {
		value := map[string]string{"iss": "addcard", "aud": "addcard", "sub": sub, "jti": jti}[name]
		tokens[name+" missing"] = claims(t, `"`+name+`":"`+value+`",`, "")
		for _, v := range []string{`null`, `""`, `1`, `{}`, `"` + value + ` "`, `" ` + value + `"`, `"` + value + `\n"`} {
			tokens[name+" "+v] = claims(t, `"`+name+`":"`+value+`"`, `"`+name+`":`+v)
		}
	}
	for _, name := range []string{"sub", "jti"} {
		value := map[string]string{"sub": sub, "jti": jti}[name]
		for _, v := range []string{"1", "admin", "urn:uuid:" + value, "{" + value + "}", strings.ReplaceAll(value, "-", ""), value[:35],
			value[:35] + "g",
			strings.ReplaceAll(value, "-", "_"), value[:35] + "０", "' or 1=1 --", "../../../../../../../../../../../../" /* 36 */} {
			tokens[name+" "+v] = claims(t, value, v)
		}
	}
	return tokens
}

func craftedTimes(t *testing.T) map[string]string {
	tokens := map[string]string{
		"exp before iat":          claims(t, "1763906400", "1763899199"),
		"exp at iat":              claims(t, "1763906400", "1763899200"),
		"a life of 7201 s":        claims(t, "1763906400", "1763906401"),
		"a life of years":         claims(t, "1763906400", "4102444800"),
		"exp past the leeway":     claims(t, `1763899200,"exp":1763906400`, `1763891970,"exp":1763899170`),
		"iat beyond the leeway":   claims(t, `1763899200,"exp":1763906400`, `1763899231,"exp":1763906431`),
		"times in milliseconds":   claims(t, `1763899200,"exp":1763906400`, `1763899200000,"exp":1763906400000`),
		"a difference that wraps": claims(t, `1763899200,"exp":1763906400`, `9223372036854775807,"exp":-9223372036854775808`),
		"exp twice":               claims(t, `"exp"`, `"exp":1763899201,"exp"`),
		"iat twice":               claims(t, `"iat"`, `"iat":1763899201,"iat"`),
		"EXP":                     claims(t, `"exp"`, `"EXP"`),
		"exp missing":             claims(t, `,"exp":1763906400`, ""),
		"iat missing":             claims(t, `"iat":1763899200,`, ""),
	}
	for _, v := range []string{`"1763906400"`, "1763906400.0", "1763906400.5", "1.7639064e9", "17639064e2", "9e18", "1e400", "9000000000000000000",
		"9223372036854775808", "18446744073709551616", "-9223372036854775808", "0", "-0", "-1", "null", "true", "[]", "{}", "[1763906400]",
		"NaN", "Infinity", "0x69234be0", "01763906400", "+1763906400", "１７６３９０６４００", "1_763_906_400"} {
		tokens["exp "+v] = claims(t, "1763906400", v)
		tokens["iat "+v] = claims(t, `"iat":1763899200`, `"iat":`+v)
	}
	return tokens
}

func craftedForms(t *testing.T) map[string]string {
	g := good()
	part := strings.Split(g, ".")
	other := strings.Split(claims(t, sub, jti), ".")
	last := g[len(g)-1]
	sig, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"empty":                       "",
		"one dot":                     ".",
		"two dots":                    "..",
		"three dots":                  "...",
		"a mebibyte of dots":          strings.Repeat(".", 1<<20),
		"a mebibyte of letters":       strings.Repeat("A", 1<<20),
		"a word":                      "token",
		"no header":                   "." + part[1] + "." + part[2],
		"no claims":                   part[0] + ".." + part[2],
		"no signature":                part[0] + "." + part[1] + ".",
		"one part":                    part[0],
		"two parts":                   part[0] + "." + part[1],
		"four parts":                  g + ".AA",
		"an empty fourth part":        g + ".",
		"a dot in front":              "." + g,
		"twice":                       g + g,
		"a scheme":                    "Bearer " + g,
		"quotes":                      `"` + g + `"`,
		"a newline behind":            g + "\n",
		"CR LF behind":                g + "\r\n",
		"a newline in front":          "\n" + g,
		"a newline in the signature":  g[:len(g)-5] + "\n" + g[len(g)-5:],
		"a newline in the claims":     part[0] + "." + part[1][:9] + "\n" + part[1][9:] + "." + part[2],
		"a space behind":              g + " ",
		"a space in front":            " " + g,
		"a tab behind":                g + "\t",
		"a NUL behind":                g + "\x00",
		"padding":                     g + "=",
		"padded claims":               part[0] + "." + part[1] + "==." + part[2],
		"last character flipped":      g[:len(g)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[index(last)^1]),
		"last character cut":          g[:len(g)-1],
		"a character more":            g + "A",
		"signature cut to a byte":     part[0] + "." + part[1] + "." + b64(string(sig[:1])),
		"signature of zeros":          part[0] + "." + part[1] + "." + b64(strings.Repeat("\x00", 32)),
		"signature twice":             part[0] + "." + part[1] + "." + b64(string(sig)+string(sig)),
		"signature in hexadecimal":    part[0] + "." + part[1] + "." + hex.EncodeToString(sig),
		"signature of another token":  part[0] + "." + part[1] + "." + other[2],
		"claims of another token":     part[0] + "." + other[1] + "." + part[2],
		"header and claims exchanged": part[1] + "." + part[0] + "." + part[2],
		"standard base64":             sign(goodHeader, goodClaims, key1) + "+/",
		"dots in percent encoding":    strings.ReplaceAll(g, ".", "%2e"),
		"full-width dots":             strings.ReplaceAll(g, ".", "．"),
		"commas":                      strings.ReplaceAll(g, ".", ","),
		"unicode digits":              strings.ReplaceAll(g, "1", "１"),
		"overlong UTF-8":              g[:9] + "\xc0\xae" + g[9:],
		"upper case":                  strings.ToUpper(g),
		"2 KiB and one":               padded(t, 2049),
		"3 KiB":                       padded(t, 3072),
		"a JWE":                       g + "." + part[0] + "." + part[1],
		"JSON serialisation":          `{"payload":"` + part[1] + `","signatures":[]}`,
	}
}

func index(c byte) int {
	return strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)
}

// padded returns a well-signed token of at least length characters, made longer
// by spaces in its JSON.
func padded(t *testing.T, length int) string {
	token := good()
	for n := 1; len(token) < length; n++ {
		token = claims(t, `"aud"`, strings.Repeat(" ", n)+`"aud"`)
	}
	return token
}
