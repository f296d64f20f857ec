package wechatsim

const maxDepositCall = 100

// codePool holds the codes that a merchant handed in for a deposit card.
type codePool struct {
	all       map[string]bool // every code ever deposited
	remaining []string        // those not delivered yet, in order
}

func (p *codePool) next() string {
	code := p.remaining[0]
	p.remaining = p.remaining[1:]
	return code
}

func (p *codePool) add(code string) {
	if p.all == nil {
		p.all = map[string]bool{}
	}
	p.all[code] = true
	p.remaining = append(p.remaining, code)
}

// depositLeft is how many deposited codes can still be delivered.
func (c *card) depositLeft() int64 { return int64(len(c.pool.remaining)) }

// depositRequest finds the card and the list of codes of a deposit call.
func (s *Sim) depositRequest(c *call) (*card, []string, error) {
	found, err := s.findCard(c.body)
	if err != nil {
		return nil, nil, err
	}
	codes := c.body.textList("code")
	switch {
	case c.body.state.err != nil:
		return nil, nil, c.body.state.err
	case !found.isDeposit():
		return nil, nil, refuse(40136, "not a deposit card")
	case len(codes) > maxDepositCall:
		return nil, nil, refuse(40109, "%d codes, 100 are allowed", len(codes))
	case len(codes) == 0:
		return nil, nil, refuse(40110, "no codes")
	}
	return found, codes, nil
}

// depositCodes is POST /card/code/deposit ("Import custom codes").
func (s *Sim) depositCodes(c *call) (object, error) {
	found, codes, err := s.depositRequest(c)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, code := range codes {
		if code == "" {
			return nil, refuse(40110, "an empty code")
		}
		if seen[code] {
			return nil, refuse(40111, "the same code twice in one call")
		}
		seen[code] = true
	}
	good, twice, bad := []string{}, []string{}, []string{}
	for _, code := range codes {
		switch {
		case len(code) > maxCodeLength:
			bad = append(bad, code)
		case found.pool.all[code]:
			twice = append(twice, code)
		default:
			found.pool.add(code)
			good = append(good, code)
		}
	}
	return object{"errcode": 0, "errmsg": "ok", "succ_code": good, "duplicate_code": twice, "fail_code": bad}, nil
}

// depositCount is POST /card/code/getdepositcount.
func (s *Sim) depositCount(c *call) (object, error) {
	found, err := s.findCard(c.body)
	if err != nil {
		return nil, err
	}
	return object{"errcode": 0, "errmsg": "ok", "count": len(found.pool.all)}, nil
}

// checkCodes is POST /card/code/checkcode.
func (s *Sim) checkCodes(c *call) (object, error) {
	found, codes, err := s.depositRequest(c)
	if err != nil {
		return nil, err
	}
	there, missing := []string{}, []string{}
	for _, code := range codes {
		if found.pool.all[code] {
			there = append(there, code)
		} else {
			missing = append(missing, code)
		}
	}
	return object{"errcode": 0, "errmsg": "ok", "exist_code": there, "not_exist_code": missing}, nil
}
