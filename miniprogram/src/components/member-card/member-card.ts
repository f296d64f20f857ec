import { cardColour, inFours } from '../../format'
import type { FaceOutputBody } from '../../services/api'

/** A card as it looks in the wallet. It only shows what it is given. */
Component({
  properties: {
    face: { type: Object, value: {} as FaceOutputBody },
    /** The card's number; empty while nobody holds it. */
    number: { type: String, value: '' },
    /** A word about its state, shown in a corner. */
    status: { type: String, value: '' },
    /** Not to be used: shown pale. */
    faded: { type: Boolean, value: false },
  },
  data: { colour: '', grouped: '', label: '', pictureFailed: false, logoFailed: false },
  observers: {
    'face, number, status'(face: FaceOutputBody, number: string, status: string) {
      this.setData({
        colour: cardColour(face.color),
        grouped: inFours(number),
        label: [face.brand_name, face.title, status, number].filter(Boolean).join(' '),
      })
    },
  },
  methods: {
    // Without its pictures the card is shown in its colour.
    pictureError() {
      this.setData({ pictureFailed: true })
    },
    logoError() {
      this.setData({ logoFailed: true })
    },
  },
})
