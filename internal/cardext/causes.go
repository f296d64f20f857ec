package cardext

// The causes that [Explain] can name. They are stable: programs may compare
// them, and they are safe to log.
const (
	// The string itself.
	CauseNotString    = "not_a_string"   // cardExt is an object, or was made a JSON string twice
	CauseMalformed    = "malformed_json" // cardExt is not a single JSON object in UTF-8 of at most 4096 bytes
	CauseDuplicateKey = "duplicate_key"
	CauseMisspeltKey  = "misspelt_key" // for example nonceStr or openId
	CauseWrongType    = "wrong_type"   // a value that is not a string, or a time that is not a whole number of seconds

	// Proved by making the same mistake and getting the same signature.
	CauseJSAPITicket        = "jsapi_ticket"      // signed with the ticket for wx.config
	CauseOldTicket          = "old_ticket"        // signed with one of Facts.OldTickets
	CauseTicketWhitespace   = "ticket_whitespace" // signed with a space, a line end or quotes around the ticket
	CauseTicketMissing      = "ticket_missing"    // signed without a ticket, or with "undefined" or "null" for it
	CauseMilliseconds       = "timestamp_milliseconds"
	CauseTimestampDiffers   = "timestamp_differs" // another time was signed than is in cardExt
	CauseTimestampNotSigned = "timestamp_not_signed"
	CauseNonceDiffers       = "nonce_differs"
	CauseNonceNotSigned     = "nonce_not_signed"
	CauseNonceNotSent       = "nonce_not_sent" // a nonce was signed that is not in cardExt
	CauseCodeDiffers        = "code_differs"
	CauseCodeNotSigned      = "code_not_signed"
	CauseCodeNotSent        = "code_not_sent"
	CauseOpenIDDiffers      = "openid_differs"
	CauseOpenIDNotSigned    = "openid_not_signed"
	CauseOpenIDNotSent      = "openid_not_sent"
	CauseCardIDDiffers      = "card_id_differs"
	CauseCardIDNotSigned    = "card_id_not_signed"
	CauseOuterStrSigned     = "outer_str_signed"
	CauseFixedBeginSigned   = "fixed_begintimestamp_signed"
	CauseKeysSorted         = "keys_sorted" // the keys were sorted, not the values
	CauseNotSorted          = "not_sorted"  // joined in another order, which is in Detail
	CauseSeparator          = "separator"   // sorted, but joined with a separator
	CauseKeyValue           = "key_value"   // key=value pairs were hashed, as for wx.config
	CauseSignatureUpperCase = "signature_upper_case"
	CauseUnknown            = "unknown" // the signature is wrong, and no known mistake explains it

	// Found in the values, whether or not the signature is right.
	CauseSignatureMissing     = "signature_missing"
	CauseSignatureFormat      = "signature_format" // not 40 hexadecimal digits
	CauseTimestampMissing     = "timestamp_missing"
	CauseCodeNotAllowed       = "code_not_allowed" // a system-code or deposit-mode card
	CauseCodeMissing          = "code_missing"     // a custom-code card that delivers in real time
	CauseCodeTooLong          = "code_too_long"
	CauseCodeCharacters       = "code_characters"
	CauseOpenIDNotAllowed     = "openid_not_allowed" // bind_openid is false
	CauseOpenIDMissing        = "openid_missing"     // bind_openid is true
	CauseFixedBeginNotAllowed = "fixed_begintimestamp_not_allowed"
	CauseEmptyValue           = "empty_value" // a key with an empty value
	CauseNonceTooLong         = "nonce_too_long"
	CauseNonceMissing         = "nonce_missing" // allowed, but the cardExt can be used more than once
	CauseTimestampFar         = "timestamp_far" // more than ten minutes from Facts.Now
	CauseTicketSent           = "ticket_sent"   // cardExt has a field for a ticket, or a ticket in another field
	CauseOuterStrJSON         = "outer_str_json"
	CauseOuterStrTooLong      = "outer_str_too_long"
	CauseNoTicket             = "no_ticket" // Explain got none, so it verified nothing
)

// advice says for each cause what to do about it. It contains no value of a
// cardExt.
var advice = map[string]string{
	CauseNotString:    "pass cardExt to wx.addCard as the JSON string that the server made, not as an object nor through JSON.stringify again",
	CauseMalformed:    "cardExt must be one JSON object and nothing else",
	CauseDuplicateKey: "two fields have the same name, and parsers differ about which one counts",
	CauseMisspeltKey:  "WeChat spells the name differently, so it does not see the value",
	CauseWrongType:    "all values are JSON strings; timestamp and fixed_begintimestamp are whole seconds",

	CauseJSAPITicket:        "signed with the jsapi ticket, which only wx.config takes: fetch the one of type wx_card",
	CauseOldTicket:          "signed with an earlier api_ticket: something caches it for longer than its lifetime",
	CauseTicketWhitespace:   "white space or quotes came along with the api_ticket: trim it where it is read",
	CauseTicketMissing:      "signed without an api_ticket: it was not available yet when this was signed",
	CauseMilliseconds:       "WeChat counts in seconds: divide by 1000 before signing",
	CauseTimestampDiffers:   "take the time once and use that one value for the hash and for cardExt",
	CauseTimestampNotSigned: "the timestamp in cardExt was left out of the hash",
	CauseNonceDiffers:       "make the nonce once and use that one value for the hash and for cardExt",
	CauseNonceNotSigned:     "the nonce_str in cardExt was left out of the hash",
	CauseNonceNotSent:       "a nonce_str was signed but is not in cardExt",
	CauseCodeDiffers:        "another code was signed than is in cardExt",
	CauseCodeNotSigned:      "the code in cardExt was left out of the hash",
	CauseCodeNotSent:        "a code was signed but is not in cardExt",
	CauseOpenIDDiffers:      "another openid was signed than is in cardExt",
	CauseOpenIDNotSigned:    "the openid in cardExt was left out of the hash",
	CauseOpenIDNotSent:      "an openid was signed but is not in cardExt",
	CauseCardIDDiffers:      "signed for another card than the cardId next to this cardExt",
	CauseCardIDNotSigned:    "the card_id was left out of the hash",
	CauseOuterStrSigned:     "outer_str must not be in the hash",
	CauseFixedBeginSigned:   "fixed_begintimestamp must not be in the hash",
	CauseKeysSorted:         "sort the values, not their keys",
	CauseNotSorted:          "sort the values as strings, byte by byte, before joining them",
	CauseSeparator:          "join the sorted values without a separator",
	CauseKeyValue:           "hash the values alone; key=value pairs are the signature of wx.config",
	CauseSignatureUpperCase: "write the signature in lower-case hexadecimal",
	CauseUnknown: "no known mistake gives this signature: most often the api_ticket was an earlier one or another account's " +
		"(it must be the Official Account's that owns the card), or a value was changed after signing",

	CauseSignatureMissing:     "cardExt has no signature",
	CauseSignatureFormat:      "a signature is 40 hexadecimal digits (SHA-1)",
	CauseTimestampMissing:     "cardExt has no timestamp",
	CauseCodeNotAllowed:       "WeChat chooses the code of this card: leave code out of cardExt and of the hash",
	CauseCodeMissing:          "this card takes its code from cardExt",
	CauseCodeTooLong:          "a code has at most 20 characters",
	CauseCodeCharacters:       "a code is made of letters and digits",
	CauseOpenIDNotAllowed:     "this card is not bound to an openid: leave openid out of cardExt and of the hash",
	CauseOpenIDMissing:        "this card is bound to an openid: sign and send the Official Account's",
	CauseFixedBeginNotAllowed: "fixed_begintimestamp belongs to DATE_TYPE_FIX_TERM cards only",
	CauseEmptyValue:           "leave out empty values, in cardExt, too",
	CauseNonceTooLong:         "a nonce_str has at most 32 characters",
	CauseNonceMissing:         "without a nonce_str this cardExt can be used again by anyone who sees it",
	CauseTimestampFar:         "signed more than ten minutes from now: is this cardExt old, cached, or the clock wrong?",
	CauseTicketSent:           "a ticket is a secret, and every phone sees cardExt: hash it on the server and leave it out",
	CauseOuterStrJSON:         "outer_str is a short name of a channel; the quotes of JSON in it end the string unless they are escaped",
	CauseOuterStrTooLong:      "an outer_str has at most 128 bytes",
	CauseNoTicket:             "no api_ticket was given to verify with",
}
