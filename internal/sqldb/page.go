package sqldb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Tables and indexes are trees of pages. What is on a page, and where its free space
// is, says "The SQLite Database File Format", https://sqlite.org/fileformat2.html.

const (
	// maxPages is the number of pages up to which a page of a tree is known by its
	// first byte: any other page begins with the number of a page, so with a 0.
	maxPages = 1 << 25
	// fileHeader is the number of bytes before the tree of the first page.
	fileHeader = 100
	// cleanBatch bounds the pages that one transaction cleans.
	cleanBatch = 16
)

const (
	countPagesSQL = `select page_count, auto_vacuum from pragma_page_count, pragma_auto_vacuum`
	readPageSQL   = `select data from sqlite_dbpage where pgno = $1`
	writePageSQL  = `update sqlite_dbpage set data = $2 where pgno = $1`
)

// cleanPages overwrites with zeros what the free space on the pages still has. Other
// transactions run in between.
func (s *sqlite) cleanPages(ctx context.Context) error {
	var pages, autoVacuum int
	if err := s.Read().QueryRow(ctx, countPagesSQL).Scan(&pages, &autoVacuum); err != nil {
		return fmt.Errorf("count the pages: %w", err)
	}
	if pages > maxPages || autoVacuum != 0 { // with it, some pages are neither of a tree nor begin with a 0
		return errors.New("overwrite the free space of the file: it is too large, or has auto_vacuum")
	}
	var unclean []int
	for n := 1; n <= pages; n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("clean the pages: %w", err)
		}
		dirty, err := isUnclean(ctx, s.Read(), n)
		if err != nil {
			return err
		}
		if dirty {
			unclean = append(unclean, n)
		}
		if len(unclean) == cleanBatch || n == pages && len(unclean) > 0 {
			if err := s.cleanThese(ctx, unclean); err != nil {
				return err
			}
			unclean = unclean[:0]
		}
	}
	return nil
}

// readPage returns a page, which is empty if the file no longer has it.
func readPage(ctx context.Context, q Querier, n int) (page []byte, err error) {
	rows, err := q.Query(ctx, readPageSQL, n)
	if err != nil {
		return nil, fmt.Errorf("read page %d: %w", n, err)
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		err = rows.Scan(&page)
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, fmt.Errorf("read page %d: %w", n, err)
	}
	return page, nil
}

func isUnclean(ctx context.Context, q Querier, n int) (bool, error) {
	page, err := readPage(ctx, q, n)
	return err == nil && clean(page, n == 1), err
}

// cleanThese cleans the pages in one transaction, as they are then.
func (s *sqlite) cleanThese(ctx context.Context, pages []int) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Write(ctx, func(ctx context.Context, tx Querier) error {
		for _, n := range pages {
			page, err := readPage(ctx, tx, n)
			if err != nil {
				return err
			}
			if !clean(page, n == 1) {
				continue
			}
			if _, err := tx.Exec(ctx, writePageSQL, n, page); err != nil {
				return fmt.Errorf("clean page %d: %w", n, err)
			}
		}
		return nil
	})
}

// clean overwrites with zeros the free space on a page and reports whether that changed
// it. It changes no page that is not one of a tree, and none that it does not
// understand.
func clean(page []byte, first bool) (changed bool) {
	spaces, ok := freeSpaces(page, first)
	if !ok {
		return false
	}
	for _, space := range spaces {
		for _, b := range space {
			changed = changed || b != 0
		}
		clear(space)
	}
	return changed
}

// freeSpaces returns the parts of a page that hold nothing: the gap between the list
// of its rows and the rows, and the blocks that deleted rows have left, each without
// the four bytes that link it to the next.
func freeSpaces(page []byte, first bool) (spaces [][]byte, ok bool) {
	at := 0
	if first {
		at = fileHeader
	}
	if len(page) < 512 {
		return nil, false
	}
	header := 8
	switch page[at] {
	case 2, 5: // an inner page of an index or a table
		header = 12
	case 10, 13: // a leaf
	default:
		return nil, false
	}
	number := func(at int) int { return int(binary.BigEndian.Uint16(page[at:])) }
	listEnd, rows := at+header+2*number(at+3), number(at+5)
	if rows == 0 {
		rows = 1 << 16
	}
	if listEnd > rows || rows > len(page) {
		return nil, false
	}
	spaces = append(spaces, page[listEnd:rows])
	for block := number(at + 1); block != 0; {
		if block < rows || block+4 > len(page) {
			return nil, false
		}
		next, size := number(block), number(block+2)
		if size < 4 || block+size > len(page) || next != 0 && next < block+size {
			return nil, false
		}
		spaces = append(spaces, page[block+4:block+size])
		block = next
	}
	return spaces, true
}
