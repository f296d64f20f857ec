import { texts } from '../../texts'

type Resolve = (answer: { event: 'exposureAuthorization' | 'agree' | 'disagree'; buttonId?: string }) => void

/** The calls and buttons that wait for the consent. */
let waiting: Resolve[] = []

/**
 * Asks for the user's consent to the 用户隐私保护指引 when WeChat needs it. Every
 * page with a call or button that reads personal data must contain it.
 */
Component({
  data: { t: texts, shown: false, name: texts.privacyName },
  lifetimes: {
    detached() {
      if (this.data.shown) this.refuse()
    },
  },
  pageLifetimes: {
    show() {
      // Before base library 2.32.3 WeChat did not check.
      if (!wx.onNeedPrivacyAuthorization) return
      // WeChat keeps one listener, that of the page that was shown last. Its types know no arguments.
      const listener = (resolve: Resolve) => {
        waiting.push(resolve)
        this.open()
      }
      wx.onNeedPrivacyAuthorization(listener as never)
    },
  },
  methods: {
    open() {
      this.setData({ shown: true })
      for (const resolve of waiting) resolve({ event: 'exposureAuthorization' })
      wx.getPrivacySetting({
        success: ({ privacyContractName }) => this.setData({ name: privacyContractName }),
      })
    },
    read() {
      wx.openPrivacyContract({})
    },
    agree() {
      // WeChat looks whether the button with this id was tapped.
      this.answer({ event: 'agree', buttonId: 'agree-privacy' })
    },
    refuse() {
      this.answer({ event: 'disagree' })
    },
    answer(answer: Parameters<Resolve>[0]) {
      this.setData({ shown: false })
      for (const resolve of waiting.splice(0)) resolve(answer)
    },
    /** Keeps the page below from scrolling. */
    hold() {},
  },
})
