import { joining } from '../../config'
import { lastPhone } from '../../services/memory'
import { canGivePhone, givePhone, type PhoneDetail } from '../../services/phone'
import { consent } from '../../services/privacy'
import { canEnterProfile, keepAvatar, keepNickname, profile } from '../../services/profile'
import { canSubscribe, subscribe } from '../../services/subscribe'
import { explained, notGiven, texts } from '../../texts'

const notified = {
  accepted: texts.notifyAccepted,
  rejected: texts.notifyRejected,
  off: texts.notifyOff,
  failed: texts.notifyFailed,
}

/**
 * What a member can do after the card is taken: add the phone number, enter an
 * avatar and a nickname, subscribe to messages (see joining in config.ts), and
 * share the card, for which the page must have onShareAppMessage.
 */
Component({
  data: {
    t: texts,
    asksPhone: false,
    phone: '',
    asksProfile: false,
    avatar: '',
    nickname: '',
    /** Whether the avatar and nickname are being entered. */
    entering: false,
    asksNotify: false,
    notified: '',
    /** Why the last tap on a row had no effect. */
    phoneOutcome: '',
    profileOutcome: '',
  },
  lifetimes: {
    attached() {
      const phone = lastPhone()
      this.setData({
        phone,
        asksPhone: joining.phone !== 'never' && (phone !== '' || canGivePhone()),
        asksProfile: joining.profile && canEnterProfile(),
        ...profile(),
        asksNotify: canSubscribe(),
      })
    },
  },
  methods: {
    async givePhone({ detail }: { detail: PhoneDetail }) {
      this.setData({ phoneOutcome: '' })
      try {
        const given = await givePhone(detail)
        if (given.kind === 'given') this.setData({ phone: given.phone })
        else this.setData({ phoneOutcome: notGiven[given.kind] })
      } catch (error) {
        this.setData({ phoneOutcome: explained(error) })
      }
    },

    async enterProfile() {
      // The input for the nickname does not ask for the consent itself.
      const entering = await consent()
      this.setData({ entering, profileOutcome: entering ? '' : texts.phoneNoConsent })
    },

    async chooseAvatar({ detail }: { detail: { avatarUrl: string } }) {
      const kept = await keepAvatar(detail.avatarUrl)
      this.setData(kept ? { ...kept, profileOutcome: '' } : { profileOutcome: texts.avatarFailed })
    },

    /** A form, because WeChat checks a nickname when the input loses the focus, and may empty it. */
    saveProfile({ detail }: { detail: { value: { nickname: string } } }) {
      this.setData({ ...keepNickname(detail.value.nickname), entering: false })
    },

    async subscribe() {
      this.setData({ notified: notified[await subscribe()] })
    },
  },
})
