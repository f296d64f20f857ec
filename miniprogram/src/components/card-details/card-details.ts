import { widthOf } from '../../format'
import type { Face } from '../../services/api'
import { texts } from '../../texts'

/** Terms longer than this are folded: they need more than the three lines that stay, on the widest phone too. */
const short = { lines: 3, width: 88 }

/** What the merchant says about a card: benefits, terms, and how to reach the shop. */
Component({
  properties: {
    face: { type: Object, value: {} as Face },
  },
  data: {
    t: texts,
    terms: '',
    /** Whether the terms are long enough to be folded. */
    foldable: false,
    folded: false,
  },
  observers: {
    face({ description = '' }: Face) {
      if (description === this.data.terms) return
      const lines = description.split('\n').length
      const foldable = lines > short.lines || widthOf(description) > short.width
      this.setData({ terms: description, foldable, folded: foldable })
    },
  },
  methods: {
    toggle() {
      this.setData({ folded: !this.data.folded })
    },
    call() {
      // WeChat asks the user first; a refusal is no failure.
      wx.makePhoneCall({ phoneNumber: this.data.face.service_phone ?? '' }).catch(() => {})
    },
  },
})
