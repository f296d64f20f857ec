import { cardColour, inFours } from '../../format'
import type { Face } from '../../services/api'

/** Shows a card as it looks in the wallet. */
Component({
  properties: {
    face: { type: Object, value: {} as Face },
    /** The card number; empty before the card is taken. */
    number: { type: String, value: '' },
    /** The status, shown in a corner. */
    status: { type: String, value: '' },
    /** Whether the card cannot be used; it is then shown grey. */
    faded: { type: Boolean, value: false },
  },
  data: {
    colour: '',
    grouped: '',
    label: '',
    pictureFailed: false,
    logoFailed: false,
    statusBefore: '',
    /** Whether the card became usable while it was shown; light then runs over it once. */
    celebrated: false,
  },
  observers: {
    'face, number, status'(face: Face, number: string, status: string) {
      this.setData({
        colour: cardColour(face.color),
        grouped: inFours(number),
        label: [face.brand_name, face.title, status, number].filter(Boolean).join(' '),
      })
    },
    'status, faded'(status: string, faded: boolean) {
      const before = this.data.statusBefore
      this.setData({ statusBefore: status, celebrated: before !== '' && before !== status && !faded })
    },
  },
  methods: {
    // A card without pictures is shown in its colour.
    pictureError() {
      this.setData({ pictureFailed: true })
    },
    logoError() {
      this.setData({ logoFailed: true })
    },
  },
})
