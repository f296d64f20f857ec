package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrNoBackup is returned by Backup and Restore for a database on PostgreSQL, which has
// tools of its own, and by Restore for a file that is no database of addcard.
var ErrNoBackup = errors.New("sqldb: cannot be backed up or restored by addcard")

// ErrBackupDamaged is returned by Restore for a file that is damaged, or that does not
// have the rows that it had when it was made.
var ErrBackupDamaged = errors.New("sqldb: the backup is damaged")

// Restored is what Restore has done.
type Restored struct {
	Tables   []CopiedTable
	CopiedAt time.Time // when the backup was made; zero if it does not say so
	Summed   bool      // its rows were compared with the sums that Backup had stored
	Replaced string    // where the database is now that was there before; "" if there was none
}

const (
	backupSumSQL   = `insert into backup_sum (table_name, row_count, bonus, balance, digest) values ($1, $2, $3, $4, $5)`
	backupSumsSQL  = `select table_name, row_count, bonus, balance, digest from backup_sum`
	forgetSumsSQL  = `delete from backup_sum`
	forgetCardsSQL = `delete from recovery_card`
	// A database that is marked is a copy: the next server begins a recovery.
	markCopySQL = `insert into recovery (name, copied_at) values ('copy', $1) on conflict (name) do update
	set copied_at = excluded.copied_at, began_at = 0, phase = 0, after_first = '', after_second = '', found = 0, ended_at = 0`
	copiedAtSQL = `select coalesce(max(copied_at), 0) from recovery where ended_at = 0`
)

// notSummed has the tables that Backup itself changes in the copy, and notCopied.
var notSummed = map[string]bool{"recovery": true, "recovery_card": true, "backup_sum": true}

// Backup copies the SQLite database at url, which servers may be using, to a new file,
// and returns its tables. The copy has everything that was committed when Backup began,
// and is marked as a copy, so that a server that is started on it begins a recovery. It
// is checked before it gets its name; path must not exist. Backup blocks no writer, and
// calls progress with what it does. Its errors wrap ErrNoBackup and ErrBackupDamaged.
func Backup(ctx context.Context, url, path string, progress func(doing string)) (tables []CopiedTable, err error) {
	source, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return nil, fmt.Errorf("%w: the database is PostgreSQL; docs/backup.md says how pg_dump and pg_basebackup do it", ErrNoBackup)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("back up to %s: %w", path, os.ErrExist)
	}
	partial := path + ".partial"
	defer func() {
		if err != nil {
			err = errors.Join(err, removeDatabase(partial))
		}
	}()
	if err := removeDatabase(partial); err != nil {
		return nil, err
	}
	progress("copying the database")
	copiedAt := time.Now()
	if err := vacuumInto(ctx, source, partial); err != nil {
		return nil, err
	}
	end, err := openSQLiteEnd(ctx, partial, false)
	if err != nil {
		return nil, err
	}
	tables, err = end.describe(ctx, copiedAt, progress)
	end.close()
	if err != nil {
		return nil, fmt.Errorf("check the backup: %w", err)
	}
	return tables, install(partial, path)
}

// vacuumInto writes what is committed in a database to a new file, readable by its owner.
func vacuumInto(ctx context.Context, source, target string) error {
	registerNowMS()
	if _, err := os.Stat(source); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if err := createFile(target); err != nil {
		return err
	}
	db, err := open(source, busyTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "vacuum into $1", target); err != nil {
		return fmt.Errorf("copy the database: %w", asDamage(err))
	}
	return nil
}

// describe checks a copy, and stores in it what it contains and that it is a copy.
func (e *copyEnd) describe(ctx context.Context, copiedAt time.Time, progress func(string)) ([]CopiedTable, error) {
	tables, err := e.tables(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.isCurrent(ctx, tables); err != nil {
		return nil, err
	}
	if err := e.undamaged(ctx, progress); err != nil {
		return nil, err
	}
	sums, err := e.allSums(ctx, tables, progress)
	if err != nil {
		return nil, err
	}
	return sums, e.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, forgetSumsSQL); err != nil {
			return err
		}
		for _, s := range sums {
			if _, err := tx.ExecContext(ctx, backupSumSQL, s.Name, s.Rows, s.Bonus, s.Balance, s.hex()); err != nil {
				return err
			}
		}
		return markCopy(ctx, tx, copiedAt)
	})
}

// markCopy makes the next server begin a recovery.
func markCopy(ctx context.Context, tx *sql.Tx, copiedAt time.Time) error {
	_, err := tx.ExecContext(ctx, markCopySQL, Time(copiedAt))
	if err == nil {
		_, err = tx.ExecContext(ctx, forgetCardsSQL)
	}
	if err == nil {
		err = setUse(ctx, tx, unused)
	}
	return err
}

// change runs fn in one transaction.
func (e *copyEnd) change(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := e.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// undamaged returns ErrBackupDamaged for the first damage that SQLite finds.
func (e *copyEnd) undamaged(ctx context.Context, progress func(string)) error {
	progress("looking for damage")
	for _, pragma := range []string{"pragma integrity_check(1)", "pragma foreign_key_check"} {
		found, err := findings(ctx, e.conn, pragma)
		switch {
		case errors.Is(err, ErrDamaged):
			return fmt.Errorf("%w: %w", ErrBackupDamaged, err)
		case err != nil:
			return err
		case len(found) > 0:
			return fmt.Errorf("%w: %s", ErrBackupDamaged, found[0])
		}
	}
	return nil
}

func (e *copyEnd) allSums(ctx context.Context, tables []copyTable, progress func(string)) (list []CopiedTable, err error) {
	for _, t := range tables {
		if notCopied[t.name] != "" || notSummed[t.name] {
			continue
		}
		progress("adding up the table " + t.name)
		sums, err := e.sums(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("add up the table %s: %w", t.name, err)
		}
		list = append(list, CopiedTable{t.name, sums})
	}
	return list, nil
}

// Restore puts a backup, or another copy of a SQLite database of addcard, in the place
// of the database at url, which no program may be using. The database that was there is
// kept under another name. The copy is checked before; a copy with sums of Backup must
// have the same rows. A server that is started on it begins a recovery. The errors wrap
// ErrInUse, ErrNoBackup, ErrBackupDamaged and ErrNewerSchema.
func Restore(ctx context.Context, file, url string, progress func(doing string)) (r Restored, err error) {
	target, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return r, fmt.Errorf("%w: the database is PostgreSQL; docs/backup.md says how pg_restore does it", ErrNoBackup)
	}
	if err := unusedBy(ctx, target); err != nil {
		return r, err
	}
	partial := target + ".partial"
	defer func() {
		if err != nil {
			err = errors.Join(err, removeDatabase(partial))
		}
	}()
	progress("copying the file")
	if err := copyDatabase(file, partial); err != nil {
		return r, err
	}
	end, err := openSQLiteEnd(ctx, partial, false)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrBackupDamaged, err)
	}
	err = end.examineBackup(ctx, &r, progress)
	end.close()
	if err != nil {
		return r, err
	}
	if r.Replaced, err = setAside(target); err != nil {
		return r, err
	}
	return r, install(partial, target)
}

// unusedBy returns ErrInUse if a program uses the database. A file that is no database,
// or damaged, is used by none.
func unusedBy(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	end, err := openSQLiteEnd(ctx, path, false)
	switch {
	case errors.Is(err, ErrDamaged):
		return nil
	case err != nil:
		return err
	}
	end.close()
	return nil
}

// copyDatabase copies a SQLite file, with the journal that may be beside it.
func copyDatabase(from, to string) error {
	if err := removeDatabase(to); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal"} {
		err := copyFile(from+suffix, to+suffix)
		if err != nil && (suffix == "" || !errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the database: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	return nil
}

// examineBackup checks a copy and marks it as one.
func (e *copyEnd) examineBackup(ctx context.Context, r *Restored, progress func(string)) error {
	if err := e.undamaged(ctx, progress); err != nil {
		return err
	}
	tables, err := e.tables(ctx)
	if err != nil {
		return err
	}
	if !hasTable(tables, "member") || !hasTable(tables, "goose_db_version") {
		return fmt.Errorf("%w: the file has no tables of addcard; a copy of a database in use that is only its first file is empty", ErrNoBackup)
	}
	if err := e.isNotNewer(ctx); err != nil {
		return err
	}
	if r.Tables, err = e.allSums(ctx, tables, progress); err != nil {
		return err
	}
	if !hasTable(tables, "backup_sum") { // of a version that had no backups: begin the recovery with the present one
		return fmt.Errorf("%w: the schema of the file is older than backups are; start this version of the server on a copy of it, "+
			"stop it, and restore that", ErrNoBackup)
	}
	if r.Summed, err = e.hasSums(ctx, r.Tables); err != nil {
		return err
	}
	copiedAt, err := e.number(ctx, copiedAtSQL)
	if err != nil {
		return err
	}
	if copiedAt > 0 {
		r.CopiedAt = time.UnixMilli(copiedAt)
	}
	return e.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, forgetSumsSQL); err != nil {
			return err
		}
		return markCopy(ctx, tx, r.CopiedAt)
	})
}

func (e *copyEnd) isNotNewer(ctx context.Context) error {
	version, err := e.number(ctx, schemaVersionSQL)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	program, err := programVersion()
	if err == nil && version > program {
		err = fmt.Errorf("%w: schema version %d, this program has %d", ErrNewerSchema, version, program)
	}
	return err
}

// hasSums compares the tables of a copy with the sums that Backup stored there, and
// reports whether there are any.
func (e *copyEnd) hasSums(ctx context.Context, tables []CopiedTable) (bool, error) {
	rows, err := e.conn.QueryContext(ctx, backupSumsSQL)
	if err != nil {
		return false, fmt.Errorf("read the sums of the backup: %w", err)
	}
	defer func() { _ = rows.Close() }()
	stored := map[string]string{}
	for rows.Next() {
		var name, digest string
		var n, bonus, balance int64
		if err := rows.Scan(&name, &n, &bonus, &balance, &digest); err != nil {
			return false, fmt.Errorf("read the sums of the backup: %w", err)
		}
		stored[name] = fmt.Sprint(n, bonus, balance, digest)
	}
	if err := rows.Err(); err != nil || len(stored) == 0 {
		return false, err
	}
	for _, t := range tables {
		if now := fmt.Sprint(t.Rows, t.Bonus, t.Balance, t.hex()); stored[t.Name] != now {
			return true, fmt.Errorf("%w: the table %s has %d rows, and not those that were backed up", ErrBackupDamaged, t.Name, t.Rows)
		}
		delete(stored, t.Name)
	}
	for name := range stored {
		return true, fmt.Errorf("%w: the table %s is missing", ErrBackupDamaged, name)
	}
	return true, nil
}

// setAside gives a database file, and what SQLite has put beside it, another name. It
// returns the new name of the file, or "" if there is none. The file stays in its place
// too, until another takes it.
func setAside(path string) (aside string, err error) {
	aside = path + time.Now().UTC().Format(".replaced-20060102-150405.000")
	for _, suffix := range []string{"-wal", "-shm"} {
		err := os.Rename(path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("set the database aside: %w", err)
		}
	}
	err = os.Link(path, aside)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("set the database aside: %w", err)
	}
	return aside, nil
}

// install gives a finished file its name, so that it is on the disk under this name when
// install returns.
func install(partial, path string) error {
	f, err := os.OpenFile(partial, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(partial, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("put the file into its place: %w", err)
	}
	return nil
}

// syncDir waits until the names in a directory are on the disk. Windows has no such call.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// removeDatabase removes a file that was not finished, and what SQLite puts beside it.
func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the unfinished file: %w", err)
		}
	}
	return nil
}

// hex returns the digest as a text.
func (s CopySums) hex() string { return fmt.Sprintf("%016x%016x", s.digest[0], s.digest[1]) }

// BackupName returns the path for a new backup: path itself, or a name in it if it is a
// directory.
func BackupName(path string, now time.Time) string {
	if info, err := os.Stat(cmp.Or(path, ".")); err == nil && info.IsDir() {
		return filepath.Join(path, now.UTC().Format("addcard-20060102-150405.db"))
	}
	return path
}
