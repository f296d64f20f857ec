import { keepReturn } from './services/activation'
import { dim } from './services/screen'
import { offerUpdate } from './services/update'

App({
  onLaunch() {
    offerUpdate()
    void dim()
  },

  onShow(options: WechatMiniprogram.App.LaunchShowOption) {
    keepReturn(options)
  },
})
