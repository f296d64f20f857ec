package web

// The routes of the tests' listeners that are served; all may use them.
func init() {
	for _, audience := range []Audience{Public, Admin} {
		for _, route := range []string{"GET /", "POST /"} {
			accessTable[audience][route] = everyone
		}
	}
}
