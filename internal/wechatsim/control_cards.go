package wechatsim

import "net/http"

func (s *Sim) listCards(*http.Request) (any, error) {
	type line struct {
		CardID   string `json:"card_id"`
		Title    string `json:"title"`
		Status   string `json:"status"`
		Quantity int64  `json:"quantity"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []line{}
	for _, c := range s.cardOrder {
		list = append(list, line{c.id, c.baseText("title"), s.statusName(c.status), c.quantity})
	}
	return object{"cards": list}, nil
}

func (s *Sim) approveCard(r *http.Request) (any, error) {
	return object{"status": verifyOK}, s.Approve(r.PathValue("card_id"))
}

func (s *Sim) rejectCard(r *http.Request) (any, error) {
	in, err := decode[struct {
		Reason string `json:"reason"`
	}](r)
	if err != nil {
		return nil, err
	}
	return object{"status": verifyFail}, s.endReview(r.PathValue("card_id"), verifyFail, in.Reason)
}

// NameNextCard makes id the card_id of the next card that is created. Other card_ids are
// random.
func (s *Sim) NameNextCard(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextCardID = id
}

// Approve ends the review of a card well. The error says that there is no such
// card, or that it was deleted.
func (s *Sim) Approve(cardID string) error { return s.endReview(cardID, verifyOK, "") }

func (s *Sim) endReview(cardID string, status cardStatus, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[cardID]
	if c == nil {
		return notFound("card_id", "no such card")
	}
	if c.status == cardDeleted {
		return invalidField("card_id", "the card was deleted")
	}
	c.status, c.updated = status, s.Now()
	s.emitReview(c, status, reason)
	return nil
}
