package cardext

// SortedSHA1 is the hash of any values, as the vectors have it.
func SortedSHA1(values ...string) string { return hexSum(sorted(values...), "") }
