package console

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

const (
	importsPath = "/v1/imports"
	// maxImport bounds the body of a form with a file to import: the API takes 8 MiB.
	maxImport = 8<<20 + maxForm
)

// importColumns are the columns of a file whose headings a person may say.
var importColumns = []string{
	"phone", "code", "unionid", "openid", "membership_number", "bonus", "balance", "custom_field1", "custom_field2", "custom_field3",
	"name", "note", "key",
}

// imported is an import as GET /v1/imports/{id} shows it.
type imported struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CardID    string    `json:"card_id"`
	DryRun    bool      `json:"dry_run"`
	State     string    `json:"state"`
	Problem   string    `json:"problem"`
	Total     int64     `json:"total"`
	Lines     int64     `json:"lines"`
	Waiting   int64     `json:"waiting"`
	Joined    int64     `json:"joined"`
	Unchanged int64     `json:"unchanged"`
	Refused   int64     `json:"refused"`
	Actor     string    `json:"actor"`
	CreatedAt time.Time `json:"created_at"`
	EndedAt   time.Time `json:"ended_at"`
	Refusals  []struct {
		Line   int64  `json:"line"`
		Column string `json:"column"`
		Reason string `json:"reason"`
	} `json:"refusals"`
}

// uploading is the form that uploads a file.
type uploading struct {
	Cards   []choice
	Columns []string
	Again   *imported // the dry run that the form follows, or nil
}

func (r *request) uploading(again *imported) (u uploading, err error) {
	u.Columns, u.Again = importColumns, again
	u.Cards, err = r.cardChoices("")
	return u, err
}

// imports lists the imports, with the form for another.
func (c *Console) imports(r *request) (err error) {
	var data struct {
		Upload  uploading
		Imports []imported `json:"imports"`
	}
	if data.Upload, err = r.uploading(nil); err != nil {
		return err
	}
	if err := r.get(importsPath, nil, &data); err != nil {
		return err
	}
	r.offerImport("card_id=p&name=members.csv&dry_run=true")
	return r.render(http.StatusOK, "imports", data)
}

// offerImport has the page show the call of its form.
func (r *request) offerImport(query string) {
	r.calls = append(r.calls, call{Method: http.MethodPost, Path: importsPath + "?" + query, File: "members.csv"})
}

// importPage shows the progress of an import, and the lines that were refused.
func (c *Console) importPage(r *request) (err error) {
	var data struct {
		Import imported
		Upload uploading
	}
	if err := r.get(importsPath+"/"+url.PathEscape(r.Param("id")), nil, &data.Import); err != nil {
		return err
	}
	if data.Upload, err = r.uploading(&data.Import); err != nil {
		return err
	}
	return r.render(http.StatusOK, "import", data)
}

// readImport reads the body of a form with a file to import.
func (c *Console) readImport(g *gin.Context) {
	if g.ContentType() != "multipart/form-data" {
		c.readForm(g)
		return
	}
	_, err := web.KeepBody(g, maxImport)
	if err == nil && g.Request.ParseMultipartForm(maxImport) != nil {
		err = web.MalformedBody.Err()
	}
	if err != nil {
		c.api.Fail(g, err)
	}
}

// addImport sends the file of a form to the API.
func (c *Console) addImport(r *request) error {
	name, file, err := r.importFile()
	if err != nil {
		return r.again(err, c.imports)
	}
	if text := r.text("import"); text != "" { // the name of the dry run
		name = text
	}
	query := url.Values{"name": {name}}
	for field, parameter := range map[string]string{
		"card_id": "card_id", "dry_run": "dry_run", "skip_refused": "skip_refused", "balance_in": "balance_in", "sheet": "sheet",
	} {
		if value := r.text(field); value != "" {
			query.Set(parameter, value)
		}
	}
	for _, column := range importColumns {
		if heading := r.text("column_" + column); heading != "" {
			query.Set("column."+column, heading)
		}
	}
	var started imported
	header := map[string]string{"Content-Type": "application/octet-stream"}
	if err := r.send(http.MethodPost, importsPath+"?"+query.Encode(), header, file, &started); err != nil {
		return r.again(err, c.imports)
	}
	return r.back("/imports/" + url.PathEscape(started.ID))
}

// importFile returns the file of a form and its name.
func (r *request) importFile() (name string, content []byte, err error) {
	file, header, err := r.Request.FormFile("file")
	if err != nil || header.Size == 0 {
		return "", nil, wrong("file", "is required")
	}
	defer file.Close()
	content, err = io.ReadAll(file)
	return header.Filename, content, err
}

// sampleImport is a file to begin with. The BOM tells a spreadsheet that it is UTF-8.
const sampleImport = "\ufeff手机号,卡号,会员号,积分,余额（元）,姓名,备注\r\n" +
	"13800138000,,VIP0001,2350,128.50,李雷,示例：请删除\r\n" +
	",10001,VIP0002,40,0,韩梅梅,示例：请删除\r\n"

func (c *Console) importSample(r *request) error {
	r.Header("Content-Disposition", `attachment; filename="members.csv"`)
	r.Data(http.StatusOK, "text/csv; charset=utf-8", []byte(sampleImport))
	return nil
}

var (
	wholeNumber = regexp.MustCompile(`[0-9]+`)
	atLine      = regexp.MustCompile(`^line ([0-9]+) `)
)

// Reason returns the text about why a file or a line is not imported, or "" if there is
// none in this language. The texts are those of the longest part of the reason that
// "reason." begins, with the numbers that follow there.
func (v View) Reason(reason string) string {
	longest := ""
	for key := range v.messages {
		part, ok := strings.CutPrefix(key, "reason.")
		if ok && len(part) > len(longest) && strings.Contains(reason, part) {
			longest = part
		}
	}
	if longest == "" {
		return ""
	}
	text := v.messages["reason."+longest]
	var numbers []any
	for _, n := range wholeNumber.FindAllString(reason[strings.Index(reason, longest):], strings.Count(text, "%s")) {
		numbers = append(numbers, n)
	}
	text = v.T("reason."+longest, numbers...)
	if at := atLine.FindStringSubmatch(reason); at != nil {
		text = v.T("imports.at", at[1]) + text
	}
	return text
}
