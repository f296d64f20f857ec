package wechatsim

const maxDepositCall = 100

// codePool holds the codes that a merchant deposited for a card.
type codePool struct {
	all       map[string]bool // every code that was ever deposited
	remaining []string        // those not delivered yet, in order
}

func (p *codePool) next() string {
	code := p.remaining[0]
	p.remaining = p.remaining[1:]
	return code
}

func (p *codePool) add(code string) {
	p.all[code] = true
	p.remaining = append(p.remaining, code)
}

// depositLeft returns how many deposited codes can still be delivered.
func (c *card) depositLeft() int64 { return int64(len(c.pool.remaining)) }

// depositRequest returns the codes of a deposit call.
func (c *call) depositRequest(found *card) ([]string, error) {
	codes := c.body.textList("code")
	switch {
	case c.body.err() != nil:
		return nil, c.body.err()
	case !found.isDeposit():
		return nil, refuse(40136, "not a deposit card")
	case len(codes) > maxDepositCall:
		return nil, refuse(40109, "%d codes, 100 are allowed", len(codes))
	case len(codes) == 0:
		return nil, refuse(40110, "no codes")
	}
	return codes, nil
}

// depositCodes is POST /card/code/deposit ("Import custom codes").
func (s *Sim) depositCodes(c *call, found *card) (object, error) {
	codes, err := c.depositRequest(found)
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
	good, duplicate, bad := []string{}, []string{}, []string{}
	for _, code := range codes {
		switch {
		case len(code) > maxCodeLength:
			bad = append(bad, code)
		case found.pool.all[code]:
			duplicate = append(duplicate, code)
		default:
			found.pool.add(code)
			good = append(good, code)
		}
	}
	return success(object{"succ_code": good, "duplicate_code": duplicate, "fail_code": bad}), nil
}

// depositCount is POST /card/code/getdepositcount.
func (s *Sim) depositCount(_ *call, found *card) (object, error) {
	return success(object{"count": len(found.pool.all)}), nil
}

// checkCodes is POST /card/code/checkcode.
func (s *Sim) checkCodes(c *call, found *card) (object, error) {
	codes, err := c.depositRequest(found)
	if err != nil {
		return nil, err
	}
	exist, missing := []string{}, []string{}
	for _, code := range codes {
		if found.pool.all[code] {
			exist = append(exist, code)
		} else {
			missing = append(missing, code)
		}
	}
	return success(object{"exist_code": exist, "not_exist_code": missing}), nil
}
