package sheet

// WriteBook is writeBook.
var WriteBook = writeBook

// Trim is trim.
var Trim = trim
