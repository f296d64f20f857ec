package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/shop"
)

// shopSettings are the settings of the shop, and those that the configuration has.
type shopSettings struct {
	PointsPer100Yuan int64         `json:"points_per_100_yuan" doc:"Points for a purchase of 100 yuan, rounded down for each purchase: 100 is a point for each yuan."`
	Cashier          cashierLimits `json:"cashier" doc:"How much one cashier may give, and likewise take."`
	TimeZone         string        `json:"time_zone" doc:"Where the shop's days begin: SHOP_TIME_ZONE of the configuration." example:"Asia/Shanghai"`
}

type cashierLimits struct {
	BonusPerEntry   int64 `json:"bonus_per_entry" doc:"Points."`
	BonusPerDay     int64 `json:"bonus_per_day" doc:"Points, in a day of the shop."`
	BalancePerEntry int64 `json:"balance_per_entry" doc:"Fen (分)."`
	BalancePerDay   int64 `json:"balance_per_day" doc:"Fen (分), in a day of the shop."`
}

func (a *api) shopSettingsOf(s shop.Settings) shopSettings {
	return shopSettings{s.PointsPer100Yuan, cashierLimits(s.Cashier), a.zone.String()}
}

type settingsOfShopInput struct {
	Body struct {
		PointsPer100Yuan *int64 `json:"points_per_100_yuan,omitempty" minimum:"0" maximum:"1000000"`
		Cashier          struct {
			BonusPerEntry   *int64 `json:"bonus_per_entry,omitempty" minimum:"0" maximum:"1000000000000"`
			BonusPerDay     *int64 `json:"bonus_per_day,omitempty" minimum:"0" maximum:"1000000000000"`
			BalancePerEntry *int64 `json:"balance_per_entry,omitempty" minimum:"0" maximum:"1000000000000"`
			BalancePerDay   *int64 `json:"balance_per_day,omitempty" minimum:"0" maximum:"1000000000000"`
		} `json:"cashier,omitempty"`
	}
}

type settingsOfShopOutput struct{ Body shopSettings }

func (a *api) settingsRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "shopSettings", Method: http.MethodGet, Path: "/v1/settings", Tags: []string{"settings"},
		Summary: "The settings of the shop", Errors: []int{503},
	}, func(ctx context.Context, _ *web.Nothing) (*settingsOfShopOutput, error) {
		s, err := a.Shop.Settings(ctx)
		return &settingsOfShopOutput{a.shopSettingsOf(s)}, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "setShopSettings", Method: http.MethodPut, Path: "/v1/settings", Tags: []string{"settings"},
		Summary: "Change the settings of the shop", Errors: []int{400, 413, 415, 422, 503},
		Description: "What is not given stays. The answer has all settings.",
	}, a.changeSettings)
}

func (a *api) changeSettings(ctx context.Context, in *settingsOfShopInput) (*settingsOfShopOutput, error) {
	after, err := a.Shop.Change(ctx, func(s *shop.Settings) {
		b := in.Body
		set(&s.PointsPer100Yuan, b.PointsPer100Yuan)
		set(&s.Cashier.BonusPerEntry, b.Cashier.BonusPerEntry)
		set(&s.Cashier.BonusPerDay, b.Cashier.BonusPerDay)
		set(&s.Cashier.BalancePerEntry, b.Cashier.BalancePerEntry)
		set(&s.Cashier.BalancePerDay, b.Cashier.BalancePerDay)
	})
	return &settingsOfShopOutput{a.shopSettingsOf(after)}, err
}

// set sets a setting that was given.
func set(setting, given *int64) {
	if given != nil {
		*setting = *given
	}
}
