/** Settings that differ between the versions of the mini-program. Fill them in. */
interface Environment {
  /** The address of addcard. Outside DevTools it must use https and be one of the request domains. */
  baseUrl: string
  /** The card that is offered if the page is opened without ?card_id=. */
  cardId: string
}

const environments: Record<'develop' | 'trial' | 'release', Environment> = {
  // The demo card of `go run ./cmd/sandbox`, which has the same card_id in every run.
  develop: { baseUrl: 'http://127.0.0.1:8080', cardId: 'pSandboxDemoCard000000000000' },
  trial: { baseUrl: 'https://card-test.shop.example', cardId: '' },
  release: { baseUrl: 'https://card.shop.example', cardId: '' },
}

export const environment = (): Environment => environments[wx.getAccountInfoSync().miniProgram.envVersion]

/** AppID of WeChat's open-card component (开卡组件), the same for all merchants. */
export const openCardAppId = 'wxeb490c6f9b154ef9'

/** How long a response of the server may take, in milliseconds. */
export const requestTimeout = 10_000

/** What the pages offer besides the card. WeChat has conditions for each: see the README. */
interface Joining {
  /**
   * When the phone number is asked for: never; on 我的会员卡, where the user may leave it; or before the card is taken,
   * which the user cannot do without it.
   */
  phone: 'never' | 'after' | 'before'
  /** Whether the user can enter an avatar and a nickname, which stay on the phone. */
  profile: boolean
  /** Templates of subscribe messages, at most five. If it is empty, the page does not ask for them. */
  templates: string[]
  /** The channel (outer_str) of cards that are taken from a shared page. */
  shareChannel: string
}

export const joining: Joining = { phone: 'after', profile: true, templates: [], shareChannel: 'share' }
