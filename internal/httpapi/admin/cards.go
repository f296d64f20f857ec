package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// cardRoute registers an operation on cards. Its problems quote what WeChat
// answered.
func cardRoute[I, O any](a *api, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.Tags = []string{"cards"}
	op.Errors = append([]int{401, 422, 503}, op.Errors...)
	web.Route(a.Listener, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, web.QuoteWeChat(err)
		}
		return out, nil
	})
}

// withTimeout gives an operation more time than other requests have. It goes on
// when the client leaves; repeating the request finds what was done.
func withTimeout(d time.Duration) huma.Middlewares {
	return huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		_ = http.NewResponseController(humagin.Unwrap(ctx).Writer).SetWriteDeadline(time.Now().Add(d + 5*time.Second))
		longer, cancel := context.WithTimeout(web.Detach(ctx.Context()), d)
		defer cancel()
		next(huma.WithContext(ctx, longer))
	}}
}

type createInput struct {
	Body struct {
		Card json.RawMessage `json:"card" doc:"WeChat's own: {\"card_type\":\"MEMBER_CARD\",\"member_card\":{…}}. What is known to be wrong is refused before WeChat is asked, misspelt names included; other unknown fields pass."`
	}
}

type createOutput struct {
	Body struct {
		CardID string `json:"card_id"`
	}
}

// operatorCard is a card as the catalogue has it.
type operatorCard struct {
	CardID           string       `json:"card_id"`
	Status           string       `json:"status" example:"CARD_STATUS_VERIFY_OK"`
	RefuseReason     string       `json:"refuse_reason,omitempty" doc:"Of a card that was refused in review: why, in WeChat's words."`
	Title            string       `json:"title,omitempty"`
	BrandName        string       `json:"brand_name,omitempty"`
	LogoURL          string       `json:"logo_url,omitempty"`
	Color            string       `json:"color,omitempty"`
	BackgroundPicURL string       `json:"background_pic_url,omitempty"`
	CodeMode         string       `json:"code_mode" enum:"system,custom,deposit" doc:"Who makes the codes: WeChat; we, in real time; we, beforehand."`
	BindOpenID       bool         `json:"bind_openid"`
	Quantity         int64        `json:"quantity" doc:"What is left of the stock; -1 when WeChat did not say."`
	Take             string       `json:"take" enum:"add_card,open_card"`
	SupplyBonus      bool         `json:"supply_bonus" doc:"The card shows points."`
	SupplyBalance    bool         `json:"supply_balance" doc:"The card shows a balance."`
	Settings         cardSettings `json:"settings"`

	CustomFields []web.FaceField `json:"custom_fields,omitempty" doc:"What the values in a member card's fields are called."`
}

type cardSettings struct {
	ActivateOnClaim     bool   `json:"activate_on_claim"`
	FixedBeginTimestamp bool   `json:"fixed_begintimestamp"`
	InitBonus           int64  `json:"init_bonus"`
	InitBalance         int64  `json:"init_balance"`
	InitBonusRecord     string `json:"init_bonus_record"`
}

func settingsOf(c card.Card) cardSettings {
	s := c.Settings
	return cardSettings{c.ActivatesOnClaim(), s.FixedBeginTimestamp, s.InitBonus, s.InitBalance, s.InitBonusRecord}
}

func operatorCardOf(c card.Card) operatorCard {
	return operatorCard{
		CardID: c.ID, Status: string(c.Status), RefuseReason: c.RefuseReason, Title: c.Title, BrandName: c.BrandName,
		LogoURL: c.LogoURL, Color: c.Color,
		BackgroundPicURL: c.BackgroundPicURL, CodeMode: c.CodeMode(), BindOpenID: c.BindOpenID, Quantity: c.Quantity, Take: c.ClaimMethod(),
		SupplyBonus: c.SupplyBonus, SupplyBalance: c.SupplyBalance, CustomFields: web.FaceFieldsOf(c), Settings: settingsOf(c),
	}
}

type cardsOutput struct {
	Body struct {
		Cards []operatorCard `json:"cards"`
	}
}

type faceOutput struct{ Body web.Face }

type showOutput struct {
	Body struct {
		CardID       string          `json:"card_id"`
		Status       string          `json:"status" example:"CARD_STATUS_VERIFY_OK"`
		RefuseReason string          `json:"refuse_reason,omitempty" doc:"Of a card that was refused in review: why, in WeChat's words."`
		Settings     cardSettings    `json:"settings"`
		WeChat       json.RawMessage `json:"wechat" doc:"The card as WeChat gives it now."`
	}
}

type updateInput struct {
	web.CardPath
	Body struct {
		MemberCard json.RawMessage `json:"member_card,omitempty" doc:"What changes, WeChat's own. Required, here or in card."`
		CardID     json.RawMessage `json:"card_id,omitempty" doc:"As in the body of WeChat's call; the card_id of the path."`
		CardType   json.RawMessage `json:"card_type,omitempty" doc:"MEMBER_CARD."`
		Card       json.RawMessage `json:"card,omitempty" doc:"Instead of member_card: {\"card_type\",\"member_card\"}, as WeChat returns a card."`
	}
}

type updateOutput struct {
	Body struct {
		SendCheck bool     `json:"send_check" doc:"The card goes to review again."`
		Changed   bool     `json:"changed" doc:"False if the card already had these values."`
		Ignored   []string `json:"ignored,omitempty" doc:"Fields that WeChat accepted without keeping them: it has none of these names."`
	}
}

type settingsInput struct {
	web.CardPath
	Body struct {
		ActivateOnClaim     *bool   `json:"activate_on_claim,omitempty" doc:"Activate the card as soon as it is taken."`
		FixedBeginTimestamp *bool   `json:"fixed_begintimestamp,omitempty" doc:"Of a DATE_TYPE_FIX_TERM card: its validity begins when its code was issued."`
		InitBonus           *int64  `json:"init_bonus,omitempty" doc:"Points that a card begins with."`
		InitBalance         *int64  `json:"init_balance,omitempty" doc:"Fen (分) that a card begins with."`
		InitBonusRecord     *string `json:"init_bonus_record,omitempty" doc:"What the holder reads about it; at most 14 汉字."`
	}
}

type settingsOutput struct{ Body cardSettings }

type formInput struct {
	web.CardPath
	Body json.RawMessage
}

type stockInput struct {
	web.CardPath
	Body struct {
		Delta int64 `json:"delta" doc:"How many more; below 0 how many less."`
	}
}

func (a *api) cardRoutes() {
	cardRoute(a, huma.Operation{
		OperationID: "createCard", Method: http.MethodPost, Path: "/v1/cards", Summary: "Create a card", DefaultStatus: http.StatusCreated,
		Description: "If WeChat's answer is lost, the account is searched for the card instead of making a second one. " +
			"Equal requests at the same time make one card.",
		Errors: []int{400, 413, 415}, Middlewares: withTimeout(45 * time.Second),
	}, func(ctx context.Context, in *createInput) (*createOutput, error) {
		var out createOutput
		var err error
		out.Body.CardID, err = a.Cards.Create(ctx, card.Document{JSON: in.Body.Card})
		return &out, err
	})
	cardRoute(a, huma.Operation{
		OperationID: "cards", Method: http.MethodGet, Path: "/v1/cards", Summary: "The catalogue",
	}, a.listCards)
	cardRoute(a, huma.Operation{
		OperationID: "face", Method: http.MethodGet, Path: "/v1/cards/{card_id}/face",
		Summary: "The face of a card of the catalogue, as the mini-program gets it", Errors: []int{404},
	}, func(ctx context.Context, in *web.CardPath) (*faceOutput, error) {
		c, err := a.Cards.Get(ctx, in.CardID)
		if err != nil {
			return nil, err
		}
		return &faceOutput{web.FaceOf(c)}, nil
	})
	cardRoute(a, huma.Operation{
		OperationID: "showCard", Method: http.MethodGet, Path: "/v1/cards/{card_id}", Summary: "A card as WeChat has it now, with its review",
		Errors: []int{404},
	}, func(ctx context.Context, in *web.CardPath) (*showOutput, error) {
		c, raw, err := a.Cards.Show(ctx, in.CardID)
		var out showOutput
		out.Body.CardID, out.Body.Status, out.Body.RefuseReason = c.ID, string(c.Status), c.RefuseReason
		out.Body.Settings, out.Body.WeChat = settingsOf(c), raw
		return &out, err
	})
	cardRoute(a, huma.Operation{
		OperationID: "updateCard", Method: http.MethodPatch, Path: "/v1/cards/{card_id}", Summary: "Change a card",
		Errors: []int{400, 404, 413, 415},
	}, func(ctx context.Context, in *updateInput) (*updateOutput, error) {
		if in.Body.MemberCard == nil && in.Body.Card == nil {
			return nil, web.InputErrors{{Location: "body.member_card", Message: "is required"}}
		}
		body, err := json.Marshal(in.Body)
		if err != nil {
			return nil, err
		}
		change, err := a.Cards.Update(ctx, in.CardID, card.Document{JSON: body})
		var out updateOutput
		out.Body.SendCheck, out.Body.Changed, out.Body.Ignored = change.SendCheck, change.Changed, change.Ignored
		return &out, err
	})
	cardRoute(a, huma.Operation{
		OperationID: "deleteCard", Method: http.MethodDelete, Path: "/v1/cards/{card_id}", Summary: "Delete a card: no new member can take it",
		DefaultStatus: http.StatusNoContent, Errors: []int{404},
	}, func(ctx context.Context, in *web.CardPath) (*web.Nothing, error) {
		return nil, a.Cards.Delete(ctx, in.CardID)
	})
}

func (a *api) cardSettingRoutes() {
	cardRoute(a, huma.Operation{
		OperationID: "stock", Method: http.MethodPost, Path: "/v1/cards/{card_id}/stock", Summary: "Change the stock of a card",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 404, 413, 415},
	}, func(ctx context.Context, in *stockInput) (*web.Nothing, error) {
		return nil, a.Cards.Stock(ctx, in.CardID, in.Body.Delta)
	})
	cardRoute(a, huma.Operation{
		OperationID: "settings", Method: http.MethodPut, Path: "/v1/cards/{card_id}/settings", Summary: "Change our settings of a card",
		Errors:      []int{400, 404, 413, 415},
		Description: "What is not given stays. The answer has all settings.",
	}, func(ctx context.Context, in *settingsInput) (*settingsOutput, error) {
		c, err := a.Cards.Settings(ctx, in.CardID, card.SettingsChange(in.Body))
		return &settingsOutput{settingsOf(c)}, err
	})
	cardRoute(a, huma.Operation{
		OperationID: "activationForm", Method: http.MethodPut, Path: "/v1/cards/{card_id}/activation-form",
		Summary:       "Set the form of a one-click card",
		Description:   "WeChat's body of /card/membercard/activateuserform/set; card_id can be left out.",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 404, 413, 415},
	}, func(ctx context.Context, in *formInput) (*web.Nothing, error) {
		return nil, a.Cards.ActivationForm(ctx, in.CardID, card.Document{JSON: in.Body})
	})
}

func (a *api) listCards(ctx context.Context, _ *web.Nothing) (*cardsOutput, error) {
	cards, err := a.Cards.List(ctx)
	var out cardsOutput
	out.Body.Cards = web.List(cards, operatorCardOf)
	return &out, err
}
