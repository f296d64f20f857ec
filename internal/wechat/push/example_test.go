package push_test

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/addcard/addcard/internal/wechat/push"
)

func ExampleReceiver_Open() {
	r, err := push.New("AAAAA", push.Options{Now: func() time.Time { return time.Unix(1714037059, 0) }})
	if err != nil {
		panic(err)
	}
	query, _ := url.ParseQuery("signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&timestamp=1714037059&nonce=486452656&openid=oAlice")
	body := []byte("<xml><ToUserName><![CDATA[gh_3fcea188bf78]]></ToUserName><FromUserName><![CDATA[oAlice]]></FromUserName>" +
		"<CreateTime>1714037059</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[user_del_card]]></Event>" +
		"<CardId><![CDATA[pCard]]></CardId><UserCardCode><![CDATA[4929123456781234]]></UserCardCode></xml>")

	event, err := r.Open(query, body)
	var unusable *push.UnusableError
	switch {
	case errors.Is(err, push.ErrForged):
		fmt.Println("403")
	case errors.As(err, &unusable):
		fmt.Println("success, without effect:", unusable.Reason)
	default:
		fmt.Println(event.Name, event.CardID, event.UserCardCode, "by", event.FromUserName)
		fmt.Println("once per", event.DedupeKey()[:16])
	}
	// Output:
	// user_del_card pCard 4929123456781234 by oAlice
	// once per e53d13178691534d
}
