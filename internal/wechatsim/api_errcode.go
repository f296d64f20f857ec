package wechatsim

import (
	"cmp"
	"fmt"
)

// refusal is one errcode with WeChat's text. The reason why is for the developer
// (log, GET /_sim/calls) and never part of the answer.
type refusal struct {
	code int
	text string
	why  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s (%s)", r.code, r.text, r.why) }

// refuse returns the refusal with WeChat's text for code.
func refuse(code int, why string, args ...any) *refusal {
	return &refusal{code: code, text: errText(code), why: fmt.Sprintf(why, args...)}
}

// errText returns WeChat's text for an errcode ("Global return codes" and "Card and
// coupons error code").
func errText(code int) string { return cmp.Or(errTexts[code], "unknown error") }

// errTexts has the codes that this package answers and those that faults need.
var errTexts = map[int]string{
	-1: "system error",
	40001: "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, " +
		"more details at https://mmbizurl.cn/s/JtxxFh33r",
	40002: "invalid grant_type",
	40003: "invalid openid",
	40013: "invalid appid",
	40014: "invalid access_token",
	40029: "invalid code",
	40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
	40053: "invalid action info",
	40056: "invalid serial code",
	40066: "invalid url",
	40071: "invalid card type",
	40072: "invalid location id not int",
	40073: "invalid card id",
	40075: "invalid encrypt code",
	40076: "invalid color",
	40078: "invalid card status",
	40079: "invalid time",
	40080: "invalid card ext",
	40097: "invalid args",
	40099: "this code has consumed",
	40100: "invalid date_info",
	40109: "code quantity more than 100",
	40110: "code is empty",
	40111: "same code in list",
	40112: "can not set bind openid",
	40116: "invalid code",
	40122: "invalid card quantity",
	40124: "invalid custom field quantity",
	40125: "invalid appsecret",
	40127: "invalid user-card status! Hint: the card was given to user, but may be deleted or expired or set unavailable!",
	40135: "invalid not supply bonus, can not change card_id which supply bonus to be not supply",
	40136: "invalid use DepositCodeMode, make sure sku.quantity>DepositCode.quantity",
	40141: "image url is not from CDN",
	40146: "invalid openid, marked",
	40150: "invalid card parameters",
	40151: "invalid card info, text or picture hit antispam",
	40158: "invalid use_custom_code, need be false",
	40163: "code been used",
	40164: "invalid ip",
	40174: "invalid, not card user",
	40226: "code blocked",
	40243: "appsecret is frozen",
	41001: "access_token missing",
	41002: "appid missing",
	41004: "appsecret missing",
	41008: "missing code",
	41011: "missing required fields! please check document and request json!",
	41012: "missing cardid",
	41013: "missing code",
	42001: "access_token expired",
	43001: "require GET method",
	43002: "require POST method",
	43009: "no permission to use custom code",
	43010: "no permission to use balance",
	43011: "no permission to use bonus",
	43012: "no permission to use custom url",
	43015: "this function needs authorization by WeChat",
	44002: "empty post data",
	45009: "reach max api daily quota limit",
	45011: "api minute-quota reach limit  mustslower  retry next minute",
	45021: "field exceed length limit, please check doc",
	45022: "bonus exceed limit",
	45023: "balance exceed limit",
	45030: "card id limited, no permission",
	45031: "out of stock",
	45033: "user reached get_limit",
	45039: "card_list_size out of limit",
	45041: "total sku out of limit",
	45061: "maybe the update frequency is too often, please try again",
	47001: "data format error",
	47002: "data format error, do NOT use json unicode encode (\\uxxxx\\uxxxx), please use utf8 encoded text",
	76021: "cgi_path not found, please check",
	48001: "api unauthorized",
	48004: "api forbidden",
	48006: "forbid to clear quota because of reaching the limit",
	50001: "user unauthorized for api",
	50002: "user limited",
	50004: "user not allowed to use access token, maybe punishment",
	50007: "account frozen",
	61004: "access clientip is not registered",
	72001: "no matching card",
	72003: "need member card",
	72009: "get_limit must not exceed 50",
	72011: "activate_ticket invalid",
	72012: "activate_ticket expired",
	72016: "no authorization to create member card",
	72022: "user not on the white list",
	72026: "need set wx_activate true",
	72031: "invalid params",
	89501: "this ip needs the confirmation of the administrator, waiting",
	89503: "this ip needs the confirmation of the administrator",
	89506: "this ip was refused twice, wait 24 hours",
	89507: "this ip was refused, wait 1 hour",
}
