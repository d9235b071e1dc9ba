#!/bin/sh
# The ablation of docs/training.md: the same steps, pictures and crops, one thing changed at a time.
#   sh config/training/ablation.sh DATA EXPERTS RENDERED OUTPUT
# DATA is the index as people, sensors and machines made it, EXPERTS what training.experts.annotate
# made of it, RENDERED frames of `mtl_perception render`. A row that is done is not done again.
set -eu
data=$1 experts=$2 rendered=$3 output=$4
here=$(dirname "$0")
# absolute, since EXPERTS does not have it
imagenet=$(realpath "$data")/weights/mobilenetv2_1.00_keras.npz

streets='{sources: [camvid], per_batch: 1, zoom: [0.89, 1.7]},
    {sources: [idd_lite], per_batch: 1, zoom: [1.41, 2.0]},
    {sources: [kitti_semantic, kitti_road], needs: [segmentation], per_batch: 1, zoom: [0.86, 1.8]}'
drives='{sources: [kitti_street_lidar, kitti_0001_stereo, kitti_object], needs: [depth], per_batch: 2},
    {sources: [kitti_gray_stereo], per_batch: 1}'
frames='{sources: [rendered], per_batch: 2}'

row() {
    name=$1
    shift
    # the first folder of --data follows, then the changes
    "${PYTHON:-python}" -m mtl_perception.training.train "$here/road8.yaml" \
        --output "$output/$name" --data "$@" \
        "steps=${STEPS:-400}" validate_every=1000000 warmup_steps=40 ema_decay=0.99 \
        encoder_rate=2.0e-4 decoder_rate=1.0e-3 batch_norm=each loss_mean=pixels crop=[320,288]
}

row segmentation "$data" --set tasks=[segmentation] distillation=false "groups=[$streets]"
row depth "$data" --set tasks=[depth] distillation=false "groups=[$drives]"
row joint "$data" --set distillation=false "groups=[$streets, $drives]"
row distilled "$experts" --set "pretrained=$imagenet" "groups=[$streets, $drives]"
row rendered "$experts" "$rendered" --set "pretrained=$imagenet" "groups=[$streets, $drives, $frames]"
# without the start on ImageNet, which is not at hand for every encoder
row mobilenet "$experts" --set pretrained=null "groups=[$streets, $drives]"
row resnet18 "$experts" --set pretrained=null encoder=resnet18 "groups=[$streets, $drives]"
