package sheet

// WriteBook is writeBook.
var WriteBook = writeBook
