"""Install the package, by colcon on a robot or by pip anywhere."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'mtl_perception'
SHARE = f'share/{PACKAGE}'

ROS_WHEELS = [
    'ros-jazzy-rclpy==7.1.6',
    'ros-jazzy-rmw-fastrtps-cpp==8.4.3',
    'ros-jazzy-std-msgs==5.3.6',
    'ros-jazzy-sensor-msgs==5.3.6',
    'ros-jazzy-geometry-msgs==5.3.6',
    'ros-jazzy-diagnostic-msgs==5.3.6',
    'ros-jazzy-std-srvs==5.3.6',
    'ros-jazzy-lifecycle-msgs==2.0.3',
    'ros-jazzy-rosgraph-msgs==2.0.3',
    'ros-jazzy-rcl-interfaces==2.0.3',
]

setup(
    name=PACKAGE,
    version='0.1.0',
    description='One camera to labelled, metric 3-D: a joint network for ROS 2 robots',
    license='Apache-2.0',
    maintainer='mtl_perception developers',
    maintainer_email='maintainer@example.org',
    packages=find_packages(exclude=['test']),
    package_data={
        PACKAGE: ['py.typed'],
        f'{PACKAGE}.offline.evaluate': ['*.html'],
        f'{PACKAGE}.rendering.opengl': ['shaders/*'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', glob('launch/*.launch.py')),
        (f'{SHARE}/config', glob('config/*.*')),
        (f'{SHARE}/config/consumers', glob('config/consumers/*.yaml')),
        (f'{SHARE}/config/security', glob('config/security/*.xml')),
        (f'{SHARE}/config/training', glob('config/training/*.*')),
        (f'{SHARE}/weights', glob('weights/*')),
        *(
            (f'{SHARE}/{folder}', [str(path) for path in Path(folder).iterdir() if path.is_file()])
            for folder in sorted({str(path.parent) for path in Path('drives').rglob('*.*')})
        ),
    ],
    zip_safe=False,
    python_requires='>=3.11',
    install_requires=[
        'setuptools',
        'jinja2',
        'numpy>=1.26,<3',
        'opencv-python-headless>=4.8,<5',
        'pyyaml',
        'rosbags>=0.11,<0.12',
        'safetensors',
        'torch>=2.4',
        'torchvision>=0.19',
        'tqdm',
    ],
    extras_require={
        'ros': ROS_WHEELS,
        'openvino': ['openvino'],
        'onnxruntime': ['onnx', 'onnxruntime', 'onnxscript'],
        'rendering': ['moderngl'],
        'training': ['h5py', 'scipy', 'tensorboard'],
        'viewer': ['rerun-sdk>=0.41,<0.42'],
        'dev': [
            'colcon-common-extensions',
            'hypothesis',
            'mypy',
            'pytest==8.4.2',
            'ruff',
            'torchmetrics',
            'types-PyYAML',
        ],
    },
    entry_points={
        'console_scripts': [
            f'{PACKAGE} = {PACKAGE}.offline.__main__:main',
            f'perception_node = {PACKAGE}.ros.node:main',
            f'bag_player = {PACKAGE}.ros.bags.player:main',
            f'bag_recorder = {PACKAGE}.ros.bags.recorder:main',
            f'perception_viewer = {PACKAGE}.ros.clients.viewer:main',
        ],
    },
)
