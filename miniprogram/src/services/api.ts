// Generated from the server's /openapi.json by `npm run types`. Do not edit.

export interface Account {
  /** Oldest first; issued cards, not yet in the wallet, are among them. */
  cards: MemberCard[]
  id: string
}

export interface ActivateInputBody {
  activate_ticket: string
  card_id: string
  /** In the clear, as App.onShow has it. */
  code: string
}

export interface ActivateOutputBody {
  card: MemberCard
}

export interface CardExtInputBody {
  cards: WantedCard[]
}

export interface CardExtOutputBody {
  /** Hand it to wx.addCard as it is, at once: do not keep it. */
  cardList: SignedCard[]
}

export interface ClaimInputBody {
  /** What wx.addCard's success gave, as it is. */
  cardList: ClaimedCard[]
}

export interface ClaimOutputBody {
  cards: MemberCard[]
}

export interface ClaimedCard {
  cardId: string
  /** Encrypted, as the phone gives it. */
  code?: string
  /** Items that say false are ignored. */
  isSuccess?: boolean
  [field: string]: unknown
}

export interface EntriesOutputBody {
  /** Newest first. */
  entries: Entry[]
  /** Of the older entries; absent when there are none. */
  next_cursor?: string
}

export interface Entry {
  add_balance: number
  add_bonus: number
  /** The total after it, in fen (分). */
  balance: number
  /** The total after it. */
  bonus: number
  created_at: string
  id: string
  record_balance: string
  record_bonus: string
  /** Counts the entries of the card from 1. */
  seq: number
}

export interface ExtraData {
  biz: string
  encrypt_card_id: string
  outer_str: string
}

export interface Face {
  /** How a card that was taken becomes active: by WeChat at once, by addcard at once, by the member in the wallet, or with the open-card component. */
  activation: "auto" | "on_claim" | "form" | "component"
  background_pic_url?: string
  brand_name?: string
  card_id: string
  /** How the wallet shows the code: WeChat's CODE_TYPE_TEXT, _BARCODE, _QRCODE, _ONLY_QRCODE, _ONLY_BARCODE or _NONE. */
  code_type?: string
  color?: string
  /** What the values in a member card's fields are called. */
  custom_fields?: FaceField[]
  /** The terms, in the merchant's words. */
  description?: string
  logo_url?: string
  /** What to do with the card at the till, in the merchant's words. */
  notice?: string
  /** What a member gets, in the merchant's words. */
  prerogative?: string
  service_phone?: string
  /** No stock is left for a member who has no code of the card yet. */
  sold_out: boolean
  /** The card shows a balance. */
  supply_balance: boolean
  /** The card shows points. */
  supply_bonus: boolean
  /** Which way a mini-program takes this card: wx.addCard, or the open-card component. */
  take: "add_card" | "open_card"
  title?: string
}

export interface FaceField {
  field: "custom_field1" | "custom_field2" | "custom_field3"
  name?: string
  /** A name of WeChat's own, which it shows in the holder's language. */
  name_type?: string
  /** Where a tap on the field leads. */
  url?: string
}

export interface FieldError {
  location: string
  message: string
}

export interface HealthOutputBody {
  status: "ok"
}

export interface LoginInputBody {
  /** What wx.login gave; it can be used once. */
  code: string
}

export interface LoginOutputBody {
  /** Seconds. There is no refresh: wx.login is silent, log in again. */
  expires_in: number
  member: SignedIn
  /** Send it as Authorization: Bearer. */
  token: string
  token_type: "Bearer"
}

export interface MemberCard {
  activated_at?: string
  /** Fen (分). */
  balance: number
  /** Points. */
  bonus: number
  card_id: string
  claimed_at?: string
  /** For wx.openCard; present once the card was claimed. */
  code?: string
  /** custom_field1 to custom_field3, as far as they are set. */
  fields?: Record<string, string>
  membership_number?: string
  /** The channel through which the card was taken. */
  outer_str?: string
  status: "issued" | "claimed" | "active" | "deleted" | "gifted" | "unavailable"
}

export interface OpenCardOutputBody {
  appId: string
  extraData: ExtraData
}

export interface PageOutputBody {
  appId: string
  nonceStr: string
  signature: string
  timestamp: number
}

export interface PhoneInputBody {
  /** e.detail.code of the button with open-type getPhoneNumber, within five minutes; not a wx.login code. */
  code: string
}

export interface PhoneOutputBody {
  /** The number without its middle; one abroad begins with + and the country code. */
  phone: string
}

export interface Problem {
  /** Stable: compare this. */
  code: "malformed_body" | "session_invalid" | "login_code_invalid" | "admin_token_invalid" | "code_not_yours" | "user_blocked" | "not_found" | "card_not_found" | "member_not_found" | "method_not_allowed" | "request_timeout" | "openid_unknown" | "card_not_claimable" | "body_too_large" | "unsupported_media_type" | "invalid_input" | "rate_limited" | "client_closed" | "internal" | "wechat_unavailable" | "ticket_unavailable" | "unavailable" | "message_not_found" | "wechat_refused" | "code_mode_unsupported" | "not_one_click" | "activate_ticket_invalid" | "idempotency_key_missing" | "idempotency_key_reused" | "code_not_found" | "card_not_held" | "insufficient_bonus" | "insufficient_balance" | "entry_not_reversible" | "entry_not_yours" | "limit_per_entry" | "limit_per_day" | "role_forbidden" | "cross_origin" | "staff_not_found" | "name_taken" | "too_many_staff" | "order_booked" | "phone_taken" | "phone_code_invalid" | "webhook_not_found" | "too_many_webhooks" | "data_keys_missing" | "import_not_found" | "account_not_found"
  /** What it means, for a person. */
  detail?: string
  /** Which parts of the request are wrong. */
  errors?: FieldError[]
  /** Finds the request in the server's log. */
  request_id?: string
  status: number
  title: string
  /** The type of the problem as a URI, which only identifies it: there is no page behind it. */
  type: string
}

export interface SignedCard {
  /** A JSON string, signed for one use. */
  cardExt: string
  cardId: string
}

export interface SignedIn {
  /** As in Account. */
  cards: MemberCard[]
  id: string
  /** The phone number without its middle, if the server has it. */
  phone?: string
}

export interface WantedCard {
  card_id: string
  /** The channel, at most 128 bytes; comes back in WeChat's events. */
  outer_str?: string
}
