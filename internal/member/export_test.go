package member

// BackOff is tested by its table: hours of waiting are slow even in a bubble.
var BackOff = backOff
