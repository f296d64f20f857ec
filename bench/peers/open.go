package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ArtisanCloud/PowerWeChat/v3/src/kernel"
	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/util"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
	upstream "github.com/addcard/addcard/internal/wechat"
)

const appID, secret = "wx0000000000000001", "0123456789abcdef0123456789abcdef"

// open returns how a peer is asked for the jsapi ticket: the only kind that all
// three know. Each is set up as its documentation says, with the stable token.
func open(w work) (func(context.Context) (string, error), error) {
	switch peer, _, _ := strings.Cut(w.Peer, " "); peer {
	case "addcard":
		return openAddcard(w)
	case "silenceper/wechat":
		return openSilenceper(w), nil
	case "PowerWeChat":
		return openPower(w)
	}
	return nil, fmt.Errorf("unknown peer %s", w.Peer)
}

func openAddcard(w work) (func(context.Context) (string, error), error) {
	client, err := redisstore.Open("redis://" + w.Redis)
	if err != nil {
		return nil, err
	}
	store, err := ticket.Seal(redisstore.New(client), secret)
	if err != nil {
		return nil, err
	}
	options := upstream.Options{BaseURL: w.Upstream}
	app := upstream.NewApp(appID, secret, options)
	tokens := ticket.New("wx:"+appID+":access_token", app.StableToken, store, ticket.Options{TTLIsLeft: true})
	calls := upstream.NewClient(token{tokens}, options)
	tickets := ticket.New("wx:"+appID+":jsapi", func(ctx context.Context) (string, time.Duration, error) { return calls.Ticket(ctx, "jsapi") }, store, ticket.Options{})
	return tickets.Ticket, nil
}

type token struct{ *ticket.Source }

func (t token) Token(ctx context.Context) (string, error) { return t.Ticket(ctx) }

func openSilenceper(w work) func(context.Context) (string, error) {
	util.SetURIModifier(func(uri string) string {
		u, err := url.Parse(uri)
		if err != nil {
			return uri
		}
		return w.Upstream + u.RequestURI()
	})
	shared := cache.NewRedis(context.Background(), &cache.RedisOpts{Host: w.Redis, MaxIdle: 64, MaxActive: 256})
	tokens := credential.NewStableAccessToken(appID, secret, credential.CacheKeyOfficialAccountPrefix, shared)
	tickets := credential.NewDefaultJsTicket(appID, credential.CacheKeyOfficialAccountPrefix, shared)
	return func(ctx context.Context) (string, error) {
		token, err := tokens.GetAccessTokenContext(ctx)
		if err != nil {
			return "", err
		}
		return tickets.GetTicket(token)
	}
}

func openPower(w work) (func(context.Context) (string, error), error) {
	app, err := officialAccount.NewOfficialAccount(&officialAccount.UserConfig{
		AppID: appID, Secret: secret, StableTokenMode: true,
		Cache: kernel.NewRedisClient(&kernel.UniversalOptions{Addrs: []string{w.Redis}}),
		Http:  officialAccount.Http{Timeout: 20, BaseURI: w.Upstream + "/"},
		Log:   officialAccount.Log{Level: "error", File: "info.log", Error: "error.log"},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		got, err := app.JSSDK.GetTicket(ctx, false, "jsapi")
		if err != nil {
			return "", err
		}
		value, ok := (*got)["ticket"].(string)
		if !ok {
			return "", fmt.Errorf("no ticket in %v", got)
		}
		return value, nil
	}, nil
}
