/** What differs between the versions of the mini-program: fill in these values. */
interface Environment {
  /** Where addcard answers; https and a registered request domain outside DevTools. */
  baseUrl: string
  /** The card that is handed out when the page was opened without ?card_id=. */
  cardId: string
}

const environments: Record<'develop' | 'trial' | 'release', Environment> = {
  // `go run ./cmd/sandbox` prints the card_id of its demo card.
  develop: { baseUrl: 'http://127.0.0.1:8080', cardId: '' },
  trial: { baseUrl: 'https://card-test.shop.example', cardId: '' },
  release: { baseUrl: 'https://card.shop.example', cardId: '' },
}

export const environment = (): Environment => environments[wx.getAccountInfoSync().miniProgram.envVersion]

/** WeChat's open-card component (开卡组件); the same for every merchant. */
export const openCardAppId = 'wxeb490c6f9b154ef9'

/** How long an answer of the server may take, in milliseconds. */
export const requestTimeout = 10_000
