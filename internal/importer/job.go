package importer

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sheet"
)

// State is how far an import is.
type State string

// The states.
const (
	Running    State = "running"
	Done       State = "done"
	AllRefused State = "refused" // lines were refused, so none was imported
	Failed     State = "failed"  // the Problem says why; what was imported before stays
)

// Import is an import of a file, by its last run.
type Import struct {
	ID string
	Options

	State   State
	Problem string // of a failed one
	Total   int64  // the lines of the file; 0 until they are counted
	Counts

	CreatedAt, EndedAt time.Time
}

const (
	// checked is how many lines of a file are read before it is accepted.
	checked = 1000
	// jobPoll is how long an import may wait that another replica stored or left, and
	// errorPause the wait after an error.
	jobPoll, errorPause = 2 * time.Second, 5 * time.Second
	// expireEvery is how often old imports are looked for.
	expireEvery = time.Minute
)

// Start stores a file that the replicas import in the background; see Run. It reads the
// first lines. If an import with the name, the card and the DryRun of o is running, Start
// returns that one. Errors: those of Import about a whole file.
func (s *Service) Start(ctx context.Context, file []byte, o Options) (Import, error) {
	if _, err := s.read(ctx, bytes.NewReader(file), int64(len(file)), o, checked); err != nil {
		return Import{}, fmt.Errorf("import %s: %w", o.Name, err)
	}
	content, err := s.pack(file, o)
	if err != nil {
		return Import{}, fmt.Errorf("import %s: %w", o.Name, err)
	}
	i, _, err := s.store.Begin(ctx, o, "", content)
	if err != nil {
		return i, fmt.Errorf("import %s: %w", o.Name, err)
	}
	select {
	case s.jobs <- struct{}{}:
	default:
	}
	return i, nil
}

// pack returns a file as it is stored.
func (s *Service) pack(file []byte, o Options) (string, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(file); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if s.keys == nil {
		return base64.StdEncoding.EncodeToString(packed.Bytes()), nil
	}
	return s.keys.Seal(packed.Bytes(), fileContext(o)), nil
}

func (s *Service) unpack(content string, o Options) (file []byte, err error) {
	var packed []byte
	if s.keys == nil {
		packed, err = base64.StdEncoding.DecodeString(content)
	} else {
		packed, err = s.keys.Open(content, fileContext(o))
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
}

// fileContext is what the file of an import is bound to.
func fileContext(o Options) string { return "file of import " + o.Name + " of card " + o.CardID }

func (s *Service) lease(i Import) Lease { return Lease{i.ID, s.owner} }

// Run works on the imports of Start, one after the other, and blocks until ctx ends. Any
// number of replicas may run it. An import that a replica has left, because it was killed
// say, goes on behind the last batch when its lease is over.
func (s *Service) Run(ctx context.Context, log *slog.Logger) {
	var expired time.Time
	for ctx.Err() == nil {
		worked, err := s.work(ctx, log)
		if err == nil && time.Since(expired) > expireEvery {
			err = s.store.Expire(ctx, "the command was interrupted; run it again to continue")
			expired = time.Now()
		}
		switch {
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "import: interrupted; will continue", "error", err)
			pause(ctx, nil, errorPause)
		case !worked:
			pause(ctx, s.jobs, jobPoll)
		}
	}
}

func pause(ctx context.Context, until <-chan struct{}, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-until:
	case <-time.After(most):
	}
}

// work works on an import until its end, and reports whether there was one.
func (s *Service) work(ctx context.Context, log *slog.Logger) (bool, error) {
	i, content, err := s.store.Take(ctx, s.owner)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	log.InfoContext(ctx, "import: begins", "import_id", i.ID, "from_line", i.Lines)
	err = s.importStored(ctx, i, content)
	if problem := problemOf(err); problem != "" {
		err = s.store.End(ctx, s.lease(i), Failed, problem)
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrTaken) {
		err = nil
	}
	if err == nil {
		log.InfoContext(ctx, "import: ended", "import_id", i.ID)
	}
	return true, err
}

// errContent is returned for a content that cannot be unpacked.
var errContent = errors.New("the stored file cannot be decrypted: DATA_KEYS have changed; send the file again")

func (s *Service) importStored(ctx context.Context, i Import, content string) error {
	file, err := s.unpack(content, i.Options)
	if err != nil {
		return errContent
	}
	lines, err := s.read(ctx, bytes.NewReader(file), int64(len(file)), i.Options, allLines)
	if err == nil {
		err = s.store.Found(ctx, s.lease(i), len(lines))
	}
	if err != nil {
		return err
	}
	return s.importLines(ctx, i, lines, func([]Result) {})
}

// problemOf returns the problem of an import that fails with err, or "" if err is of
// another kind and the import goes on.
func problemOf(err error) string {
	var file *sheet.FileError
	var answer interface {
		RetryAfter() (time.Duration, bool)
	}
	switch {
	case errors.As(err, &file):
		return file.Error()
	case errors.Is(err, errContent):
		return errContent.Error()
	case errors.Is(err, ErrNoKeys):
		return "phone numbers, names and notes are only kept encrypted: set DATA_KEYS"
	case errors.Is(err, member.ErrCardUnknown):
		return "the shop has no such card"
	case errors.Is(err, ErrCalls):
		return "the calls of WeChat that an import may make are used up; send the same file again to continue"
	case errors.As(err, &answer):
		if _, spent := answer.RetryAfter(); spent {
			return "WeChat's quota of calls is used up; send the same file again tomorrow to continue"
		}
	}
	return ""
}

// Get returns an import, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id string) (Import, error) { return s.store.Import(ctx, id) }

// List lists up to n imports, newest first.
func (s *Service) List(ctx context.Context, n int) ([]Import, error) { return s.store.Imports(ctx, n) }

// Lines lists up to n lines of an import after the mark, in their order, that have the
// outcome, or any if it is empty. A dry run has all lines of its file. Of an import those
// that were imported are listed, in whatever run, and those that were refused in the last.
func (s *Service) Lines(ctx context.Context, importID, outcome string, after Mark, n int) ([]Result, error) {
	return s.store.Lines(ctx, importID, outcome, after, n)
}
